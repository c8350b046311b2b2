//! `flugs bundle`: everything that crosses an air gap, in one file.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;

use super::printable::printable;
use super::{Ending, output, runtime, table};
use crate::image::bundle::{self, BundleInputs, LoadTarget, Opened, SigningKey, Trust, TrustedKey};
use crate::image::{Epoch, SourceName};
use clap::Subcommand;
use flugs_base::ExitCode;

/// Carry images, Flink, jars and configuration across an air gap in one signed file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs bundle key release.key
  flugs bundle create --output air.bundle --key release.key --image oci:worker --flink /opt/flink \\
      --jar job.jar --conf conf
  flugs bundle verify air.bundle --key release.key.pub
  flugs bundle load air.bundle --key release.key.pub --to docker --to files:/srv/flink --dry-run
  flugs bundle load air.bundle --key release.key.pub --to mesos:/var/lib/mesos/images
  flugs bundle create --output delta.bundle --earlier air.bundle --key release.key --image oci:worker
  flugs bundle load delta.bundle --earlier air.bundle --key release.key.pub --to docker
  flugs bundle diff air.bundle newer.bundle")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Box<CreateArgs>),
    /// Check everything in a bundle, without a network; say all that is wrong.
    #[command(after_help = "Examples:
  flugs bundle verify air.bundle --key release.key.pub
  flugs bundle verify delta.bundle --earlier air.bundle --key release.key.pub --json")]
    Verify {
        /// The bundle.
        bundle: PathBuf,
        #[command(flatten)]
        trust: TrustArgs,
        /// Print one JSON document instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Load a bundle. Nothing is done unless all of it is right; if a step fails, those before are
    /// taken back.
    #[command(after_help = "Examples:
  flugs bundle load air.bundle --key release.key.pub --to docker --to files:/srv/flink --dry-run
  flugs bundle load air.bundle --key release.key.pub --to mesos:/var/lib/mesos/images
  flugs bundle load delta.bundle --earlier air.bundle --key release.key.pub --to docker")]
    Load {
        /// The bundle.
        bundle: PathBuf,
        /// Where to: oci:DIR, docker, mesos:DIR or registry:HOST[/PREFIX] for images, files:DIR
        /// for the rest; may be repeated.
        #[arg(long = "to", value_name = "TARGET", required = true)]
        targets: Vec<LoadTarget>,
        /// Verify, show what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        trust: TrustArgs,
        /// Print one JSON document instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Show how two bundles differ, and how many bytes a delta would carry.
    #[command(after_help = "Examples:
  flugs bundle diff air.bundle newer.bundle
  flugs bundle diff air.bundle newer.bundle --json")]
    Diff {
        /// The bundle before.
        before: PathBuf,
        /// The bundle after.
        after: PathBuf,
        /// Print one JSON document instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Make a pair of Ed25519 keys: FILE to sign with, FILE.pub to verify with.
    #[command(after_help = "Examples:
  flugs bundle key release.key")]
    Key {
        /// The private key's file; it must not exist.
        file: PathBuf,
    },
}

/// Make a bundle.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs bundle create --output air.bundle --key release.key --image oci:worker --flink /opt/flink \\
      --jar job.jar --conf conf
  flugs bundle create --output delta.bundle --earlier air.bundle --key release.key --image oci:worker
  flugs bundle create --output - --unsigned --jar job.jar --conf conf > air.bundle")]
struct CreateArgs {
    /// The file to write, or - for standard output.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// What the bundle is called.
    #[arg(long, default_value = "flugs-bundle")]
    name: String,
    /// An image: oci:DIR[:TAG], archive:FILE or docker:NAME; may be repeated.
    #[arg(long = "image", value_name = "IMAGE")]
    images: Vec<SourceName>,
    /// A Flink home, which is packed, or a distribution's archive; may be repeated.
    #[arg(long = "flink", value_name = "PATH")]
    flinks: Vec<PathBuf>,
    /// A user jar; may be repeated.
    #[arg(long = "jar", value_name = "FILE")]
    jars: Vec<PathBuf>,
    /// Configuration: a file, or a directory of files; may be repeated.
    #[arg(long = "conf", value_name = "PATH")]
    configuration: Vec<PathBuf>,
    /// The private key to sign with (PEM, mode 0600).
    #[arg(long, value_name = "FILE", required_unless_present = "unsigned")]
    key: Option<PathBuf>,
    /// Do not sign.
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,
    /// Leave out what this bundle has: the new one is a delta and needs it.
    #[arg(long, value_name = "BUNDLE")]
    earlier: Option<PathBuf>,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct TrustArgs {
    /// A public key to trust (PEM); may be repeated.
    #[arg(
        long = "key",
        value_name = "FILE",
        required_unless_present = "unsigned"
    )]
    keys: Vec<PathBuf>,
    /// Ask for no signature: digests alone are checked.
    #[arg(long, conflicts_with = "keys")]
    unsigned: bool,
    /// The bundle that a delta builds on; may be repeated for a chain.
    #[arg(long = "earlier", value_name = "BUNDLE")]
    earlier: Vec<PathBuf>,
}

impl TrustArgs {
    fn open(&self, path: &std::path::Path) -> Result<Opened, Ending> {
        let trust = if self.unsigned {
            Trust::Anybody
        } else {
            let keys = self
                .keys
                .iter()
                .map(|path| TrustedKey::read(path))
                .collect::<Result<_, _>>()?;
            Trust::Keys(keys)
        };
        Ok(Opened::open_with(path, &self.earlier, &trust)?)
    }
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    match &args.command {
        Command::Create(args) => create(args),
        Command::Verify {
            bundle,
            trust,
            json,
        } => {
            let opened = trust.open(bundle)?;
            let verified = opened.verify()?;
            if *json {
                output::json(&verified);
            } else {
                output::line(&format!(
                    "{} is right: {} images, {} files, {}",
                    bundle.display(),
                    verified.images,
                    verified.files,
                    indicatif::BinaryBytes(verified.bytes)
                ));
            }
            Ok(ProcessExit::SUCCESS)
        }
        Command::Load {
            bundle,
            targets,
            dry_run,
            trust,
            json,
        } => {
            let opened = trust.open(bundle)?;
            let plan = runtime()?.block_on(bundle::load(&opened, targets, *dry_run))?;
            for remark in &plan.remarks {
                output::note(&format!("flugs: {remark}"));
            }
            if *json {
                output::json(&plan);
                return Ok(ProcessExit::SUCCESS);
            }
            for step in &plan.steps {
                let verb = if *dry_run { "would load" } else { "loaded" };
                output::line(&printable(&format!("{verb} {} to {}", step.what, step.to)));
            }
            Ok(ProcessExit::SUCCESS)
        }
        Command::Diff {
            before,
            after,
            json,
        } => diff(before, after, *json),
        Command::Key { file } => {
            let trusted = SigningKey::generate(file)?;
            output::line(&format!(
                "{}.pub  sha256:{}",
                file.display(),
                trusted.fingerprint()
            ));
            Ok(ProcessExit::SUCCESS)
        }
    }
}

fn create(args: &CreateArgs) -> Result<ProcessExit, Ending> {
    let nothing = args.images.is_empty() && args.flinks.is_empty() && args.jars.is_empty();
    if nothing && args.configuration.is_empty() {
        return Err(Ending {
            code: ExitCode::Usage,
            message: "there is nothing to bundle: name an --image, --flink, --jar or --conf"
                .to_owned(),
        });
    }
    let key = args
        .key
        .as_ref()
        .map(|path| SigningKey::read(path))
        .transpose()?;
    // Whoever builds on a bundle has it at hand and made it; its digests are checked when both
    // are loaded.
    let earlier = args
        .earlier
        .as_ref()
        .map(|path| Opened::open(path, &Trust::Anybody))
        .transpose()?;
    let epoch =
        std::env::var_os("SOURCE_DATE_EPOCH").map(|value| value.to_string_lossy().into_owned());
    let inputs = BundleInputs {
        name: args.name.clone(),
        images: args.images.clone(),
        flinks: args.flinks.clone(),
        jars: args.jars.clone(),
        configuration: args.configuration.clone(),
        key,
        earlier,
        epoch: Epoch::resolve(epoch.as_deref())?,
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let progress = output::Progress::new("bundling");
    let created = runtime()?.block_on(bundle::create(&inputs, &args.output));
    progress.finish();
    let created = created?;
    let report = output::beside(&args.output);
    if args.json {
        report.json(&created);
    } else {
        report.line(&format!(
            "{}  {}  {} blobs, {} in the earlier bundle  manifest sha256:{}",
            args.output.display(),
            indicatif::BinaryBytes(created.size),
            created.blobs,
            created.blobs_earlier,
            created.manifest
        ));
    }
    Ok(ProcessExit::SUCCESS)
}

fn diff(
    before: &std::path::Path,
    after: &std::path::Path,
    json: bool,
) -> Result<ProcessExit, Ending> {
    let open = |path: &std::path::Path| Opened::open(path, &Trust::Anybody);
    let found = bundle::difference(open(before)?.manifest(), open(after)?.manifest());
    if json {
        output::json(&found);
        return Ok(ProcessExit::SUCCESS);
    }
    let kinds = [
        ("+", &found.added),
        ("-", &found.removed),
        ("~", &found.changed),
    ];
    let rows = kinds.iter().flat_map(|(sign, names)| {
        names
            .iter()
            .map(move |name| [(*sign).to_owned(), name.clone()])
    });
    output::line(&printable(&table::render(&["", "WHAT"], rows)));
    output::line(&format!(
        "a delta would carry {} blobs, {}",
        found.new_blobs,
        indicatif::BinaryBytes(found.new_bytes)
    ));
    Ok(ProcessExit::SUCCESS)
}
