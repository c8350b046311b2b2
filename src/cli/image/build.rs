//! `flugs image build`: from a definition to images, without a daemon.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;
use std::str::FromStr;

use serde::Serialize;

use super::CacheArgs;
use super::engine::EngineRole;
use crate::cli::{Ending, number, output, own_program, runtime, table, variable};
use crate::image::{
    Architecture, BaseInput, BaseWay, BlobDigest, BuildInputs, BuiltImage, BuiltLayer, Compression,
    Definition, ImageError, Reference, Sink,
};
use flugs_base::ExitCode;
use flugs_base::destination::is_standard_output;

/// Build an image from a definition: no daemon, no network, the same bytes everywhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs image build images/worker.yaml --base base.tar --flink-home /opt/flink --output oci:worker
  flugs image build images/worker.yaml --base oci:debian:12 --flink-home /opt/flink --output archive:worker.tar
  flugs image build images/appmaster.yaml --base docker:eclipse-temurin:17-jre --flink-home /opt/flink --output docker
  flugs image build images/worker.yaml --train --base base.tar --flink-home /opt/flink --output docker
  flugs image build images/appmaster.yaml --user-jar job.jar --flink-home /opt/flink \\
      --name registry.example/job:1 --output registry:registry.example/job:1
  flugs image build images/worker.yaml --platform linux/amd64 --platform linux/arm64 \\
      --base amd64=base-amd64.tar --base arm64=base-arm64.tar --binary arm64=flugs-arm64 \\
      --flink-home /opt/flink --output oci:worker")]
pub(super) struct Args {
    /// The definition.
    #[arg(required_unless_present = "engine", conflicts_with = "engine")]
    definition: Option<PathBuf>,
    /// Where the image goes: oci:DIR, archive:FILE, docker or registry:NAME; may be repeated.
    #[arg(
        long = "output",
        value_name = "SINK",
        required_unless_present = "engine",
        conflicts_with = "engine"
    )]
    outputs: Vec<Sink>,
    /// What it stands on, in place of what the definition says: a root file system's tar, an
    /// archive or OCI layout, or rootfs:FILE, archive:FILE, oci:DIR[:TAG], docker:NAME. With
    /// PLATFORM= in front for one platform.
    #[arg(long = "base", value_name = "[PLATFORM=]BASE")]
    pub(super) bases: Vec<PerPlatform>,
    /// The SHA-256 that the base must have: of the tar, or of the image's manifest.
    #[arg(long, value_name = "HEX")]
    base_sha256: Option<flugs_base::Sha256Digest>,
    /// The Flink home to bake in [default: FLINK_HOME of the environment].
    #[arg(long, value_name = "DIR")]
    pub(super) flink_home: Option<PathBuf>,
    /// The flugs binary [default: this program].
    #[arg(long = "binary", value_name = "[PLATFORM=]FILE")]
    pub(super) binaries: Vec<PerPlatform>,
    /// A file for Flink's `usrlib`, in a layer of its own; may be repeated.
    #[arg(long = "user-jar", value_name = "FILE")]
    user_files: Vec<PathBuf>,
    /// For which machine; may be repeated [default: this one].
    #[arg(long = "platform", value_name = "PLATFORM")]
    platforms: Vec<Architecture>,
    /// The image's name, in place of the definition's.
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<Reference>,
    /// How layers are compressed: gzip, zstd or none.
    #[arg(long, value_name = "HOW", default_value_t = Compression::Gzip)]
    compression: Compression,
    /// Threads that compress; they change nothing but the time [default: the processors].
    #[arg(long, value_name = "COUNT", value_parser = number::threads())]
    threads: Option<usize>,
    #[command(flatten)]
    cache: CacheArgs,
    /// Have the Docker engine build it from Dockerfile.appmaster or Dockerfile.worker instead. Of the
    /// other options --base, --flink-home, --binary and --name count.
    #[arg(long, value_enum, value_name = "ROLE")]
    engine: Option<EngineRole>,
    /// Train the image's JVM: start a JobManager and a TaskManager in the image's own root, apart
    /// from machine and network, and bake the archives of their classes in. A container starts
    /// sooner by a third or more; such archives are never the same bytes twice.
    #[arg(long, conflicts_with_all = ["no_training", "engine"])]
    train: bool,
    /// Do not train the image's JVM, whatever the definition says; with --engine too.
    #[arg(long)]
    pub(super) no_training: bool,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

/// A value for one platform, or for all.
#[derive(Debug, Clone)]
pub(super) struct PerPlatform {
    platform: Option<Architecture>,
    pub(super) value: String,
}

impl FromStr for PerPlatform {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let split = text
            .split_once('=')
            .and_then(|(platform, value)| Some((platform.parse().ok()?, value)));
        Ok(match split {
            Some((platform, value)) => Self {
                platform: Some(platform),
                value: value.to_owned(),
            },
            None => Self {
                platform: None,
                value: text.to_owned(),
            },
        })
    }
}

#[derive(Serialize)]
struct Document<'a> {
    name: Option<&'a Reference>,
    digest: BlobDigest,
    ids: Vec<BlobDigest>,
    layers: &'a [BuiltLayer],
    outputs: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    if let Some(role) = args.engine {
        return super::engine::run(args, role);
    }
    let definition = args
        .definition
        .as_deref()
        .unwrap_or(Path::new("image.yaml"));
    let definition = Definition::read(definition).map_err(ImageError::from)?;
    let inputs = inputs(args, &definition)?;
    let progress = output::Progress::new("building");
    let built = runtime()?.block_on(async {
        for sink in &args.outputs {
            sink.check(inputs.compression).await?;
        }
        let built = crate::image::build(&definition, &inputs, &args.cache.directory).await?;
        let mut remarks = Vec::new();
        for sink in &args.outputs {
            progress.update(&format!("writing {sink}"));
            remarks.extend(built.send(sink).await?);
        }
        Ok::<_, ImageError>((built, remarks))
    });
    progress.finish();
    let (built, remarks) = built?;
    for remark in remarks {
        output::note(&format!("flugs: {remark}"));
    }
    tell(&built, args);
    Ok(ProcessExit::SUCCESS)
}

fn inputs(args: &Args, definition: &Definition) -> Result<BuildInputs, Ending> {
    let own = Architecture::own();
    let mut bases = BTreeMap::new();
    for base in &args.bases {
        let input = BaseInput {
            way: base_way(&base.value)?,
            digest: args.base_sha256,
        };
        bases.insert(base.platform, input);
    }
    let mut binaries = BTreeMap::new();
    for binary in &args.binaries {
        binaries.insert(binary.platform.unwrap_or(own), PathBuf::from(&binary.value));
    }
    if let std::collections::btree_map::Entry::Vacant(place) = binaries.entry(own) {
        place.insert(own_program()?);
    }
    let flink_home = args.flink_home.clone().or_else(|| variable("FLINK_HOME"));
    let flink_home = flink_home.filter(|_| definition.flink.baked);
    let mut architectures = args.platforms.clone();
    architectures.sort_unstable();
    architectures.dedup();
    if architectures.is_empty() {
        architectures.push(own);
    }
    let training = (args.train || definition.flink.trained) && !args.no_training;
    let trainer = training.then(own_program).transpose()?;
    Ok(BuildInputs {
        bases,
        flink_home,
        binaries,
        user_files: args.user_files.clone(),
        architectures,
        name: args.name.clone(),
        compression: args.compression,
        threads: args
            .threads
            .and_then(NonZeroUsize::new)
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN),
        epoch: super::epoch()?,
        trainer,
    })
}

/// What a base is, by its prefix, else by what is there.
fn base_way(text: &str) -> Result<BaseWay, Ending> {
    let path = |rest: &str| PathBuf::from(rest);
    Ok(match text.split_once(':') {
        Some(("rootfs", rest)) => BaseWay::Rootfs(path(rest)),
        Some(("oci", rest)) => BaseWay::Oci(path(rest)),
        Some(("archive", rest)) => BaseWay::Archive(path(rest)),
        Some(("docker", rest)) => BaseWay::Engine(rest.to_owned()),
        _ => {
            let here = Path::new(text);
            if here.join("oci-layout").exists() {
                BaseWay::Oci(here.to_owned())
            } else if here.is_file() {
                BaseWay::of_file(here)?
            } else {
                return Err(Ending {
                    code: ExitCode::ImageInput,
                    message: format!(
                        "the base {text} is neither a file nor an OCI layout; an image of the engine is docker:{text}"
                    ),
                });
            }
        }
    })
}

fn tell(built: &BuiltImage, args: &Args) {
    let report = report(&args.outputs);
    if args.json {
        report.json(&Document {
            name: built.name(),
            digest: built.digest(),
            ids: built.ids(),
            layers: &built.layers,
            outputs: args.outputs.iter().map(ToString::to_string).collect(),
        });
        return;
    }
    let rows = built.layers.iter().map(|layer| {
        [
            layer.architecture.to_string(),
            layer.name.clone(),
            super::bytes(layer.size),
            if layer.cached { "cached" } else { "built" }.to_owned(),
            layer.digest.to_string(),
        ]
    });
    report.line(&table::render(
        &["PLATFORM", "LAYER", "SIZE", "", "DIGEST"],
        rows,
    ));
    if let Some(name) = built.name() {
        report.line(&format!("{name}  {}", built.digest()));
    }
}

/// Where the table goes: not where an archive went.
fn report(outputs: &[Sink]) -> output::Report {
    let archive = outputs.iter().find_map(|sink| match sink {
        Sink::Archive(path) => Some(path.as_path()).filter(|path| is_standard_output(path)),
        _ => None,
    });
    output::beside(archive.unwrap_or(Path::new("")))
}
