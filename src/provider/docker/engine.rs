//! The engine of this machine: reaching it, the cluster's network, and what a cluster has left
//! there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{
    InspectNetworkOptions, ListContainersOptions, ListNetworksOptions, RemoveContainerOptions,
    StopContainerOptions,
};
use futures_util::future::join_all;

use super::{Label, UserMapping};
use crate::provider::ProviderError;

/// A connection to the engine.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) api: Docker,
}

/// An error of the engine, with what was being done.
pub(super) fn failed(action: &'static str) -> impl Fn(Error) -> ProviderError {
    move |error| ProviderError::Engine {
        action,
        reason: error.to_string(),
    }
}

/// Whether the engine said that there is no such thing.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

impl Engine {
    /// Connects to the engine that `DOCKER_HOST` names, else to this machine's, and makes sure
    /// that it answers.
    pub async fn connect() -> Result<Self, ProviderError> {
        let api =
            Docker::connect_with_local_defaults().map_err(failed("reach the Docker engine"))?;
        api.ping()
            .await
            .map_err(failed("reach the Docker engine"))?;
        Ok(Self { api })
    }

    /// Who the users of its containers are.
    pub async fn users(&self) -> Result<UserMapping, ProviderError> {
        let info = self.api.info().await;
        UserMapping::of(&info.map_err(failed("ask the engine about itself"))?)
    }

    /// Makes sure that an image is there.
    pub async fn require_image(&self, image: &str) -> Result<(), ProviderError> {
        match self.api.inspect_image(image).await {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => Err(ProviderError::NoImage {
                image: image.to_owned(),
            }),
            Err(error) => Err(failed("look for the image")(error)),
        }
    }

    /// Makes a cluster's network, and gives the address that its containers reach this machine
    /// by.
    pub async fn make_network(
        &self,
        network: &str,
        cluster: &str,
        directory: &str,
    ) -> Result<IpAddr, ProviderError> {
        let pair = |label: Label, value: &str| (label.key().to_owned(), value.to_owned());
        let labels = HashMap::from([
            pair(Label::Cluster, cluster),
            pair(Label::Directory, directory),
        ]);
        let request = NetworkCreateRequest {
            name: network.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels),
            ..NetworkCreateRequest::default()
        };
        let action = "make the cluster's network";
        self.api
            .create_network(request)
            .await
            .map_err(failed(action))?;
        let made = self
            .api
            .inspect_network(network, None::<InspectNetworkOptions>)
            .await
            .map_err(failed(action))?;
        let configurations = made.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let gateways = configurations.into_iter().filter_map(|one| one.gateway);
        gateways
            .into_iter()
            .find_map(|gateway| gateway.parse().ok())
            .ok_or_else(|| ProviderError::Engine {
                action,
                reason: format!("the engine gave {network} no gateway address"),
            })
    }

    /// Removes everything that bears a cluster's label: asks its containers to stop, and removes
    /// them when they have, or after `patience`.
    pub async fn clear(&self, cluster: &str, patience: Duration) -> Result<usize, ProviderError> {
        let labelled = format!("{}={cluster}", Label::Cluster.key());
        let filters = HashMap::from([("label".to_owned(), vec![labelled])]);
        let containers = ListContainersOptions {
            all: true,
            filters: Some(filters.clone()),
            ..ListContainersOptions::default()
        };
        let found = self
            .api
            .list_containers(Some(containers))
            .await
            .map_err(failed("list the cluster's containers"))?;
        let ids: Vec<String> = found.into_iter().filter_map(|one| one.id).collect();
        let removed = join_all(ids.iter().map(|id| self.stop_and_remove(id, patience))).await;
        removed.into_iter().collect::<Result<Vec<()>, _>>()?;
        let networks = ListNetworksOptions {
            filters: Some(filters),
        };
        let action = "remove the cluster's network";
        let found = self
            .api
            .list_networks(Some(networks))
            .await
            .map_err(failed(action))?;
        for network in found.into_iter().filter_map(|one| one.id) {
            match self.api.remove_network(&network).await {
                Err(error) if !is_missing(&error) => return Err(failed(action)(error)),
                _ => {}
            }
        }
        Ok(ids.len())
    }

    async fn stop_and_remove(&self, id: &str, patience: Duration) -> Result<(), ProviderError> {
        let stop = StopContainerOptions {
            t: i32::try_from(patience.as_secs()).ok(),
            ..StopContainerOptions::default()
        };
        // One that has ended, or is gone, needs no stop; whatever else is wrong, removal says.
        let _ = self.api.stop_container(id, Some(stop)).await;
        self.remove(id).await
    }

    /// Removes a container, running or not. One that is gone already is no error, nor is one that
    /// somebody else is removing.
    pub(super) async fn remove(&self, name: &str) -> Result<(), ProviderError> {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            ..RemoveContainerOptions::default()
        };
        match self.api.remove_container(name, Some(options)).await {
            Err(error) if is_missing(&error) => Ok(()),
            Ok(())
            | Err(Error::DockerResponseServerError {
                status_code: 409, ..
            }) => Ok(()),
            Err(error) => Err(failed("remove a container")(error)),
        }
    }
}
