//! Images in every form that tools leave them in: read, or refused by name with what to do.

use std::fs;
use std::path::Path;

use flugs_base::Sha256Digest;
use serde_json::{Value, json};

use crate::workshop::{Workshop, run, said};

const OCI: &str = "application/vnd.oci.image";
const DOCKER: &str = "application/vnd.docker";

/// A layout that is written by hand.
struct Layout<'a> {
    root: &'a Path,
}

impl<'a> Layout<'a> {
    fn new(root: &'a Path) -> Self {
        fs::create_dir_all(root.join("blobs/sha256")).unwrap();
        fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { root }
    }

    fn put(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Sha256Digest::of(bytes).to_string();
        fs::write(self.root.join("blobs/sha256").join(&digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    }

    fn put_json(&self, media_type: &str, document: &Value) -> Value {
        self.put(media_type, &serde_json::to_vec(document).unwrap())
    }

    fn image(&self, kind: &str, config: &Value, layers: &[Value]) -> Value {
        let (config_type, manifest_type) = if kind == DOCKER {
            (
                format!("{DOCKER}.container.image.v1+json"),
                format!("{DOCKER}.distribution.manifest.v2+json"),
            )
        } else {
            (
                format!("{OCI}.config.v1+json"),
                format!("{OCI}.manifest.v1+json"),
            )
        };
        let config = self.put_json(&config_type, config);
        let manifest = json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers});
        self.put_json(&manifest_type, &manifest)
    }

    fn index(&self, entries: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        fs::write(
            self.root.join("index.json"),
            serde_json::to_vec(&index).unwrap(),
        )
        .unwrap();
    }
}

fn with(mut descriptor: Value, field: &str, value: Value) -> Value {
    descriptor[field] = value;
    descriptor
}

/// A configuration as Docker writes it, where nothing is set.
fn null_config(layers: &[&[u8]]) -> Value {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", Sha256Digest::of(layer)))
        .collect();
    json!({"architecture": "amd64", "os": "linux", "config": null, "container_config": {"Cmd": null},
           "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": null})
}

#[test]
fn packed_archives_are_read_wherever_images_are_named() {
    let shop = Workshop::new();
    shop.build("worker", "archive:image.tar", &["--output", "oci:layout"]);
    run(&["gzip", "--keep", &shop.text("image.tar")]);
    run(&["xz", "--keep", "-0", &shop.text("image.tar")]);
    let zstd = zstd::encode_all(fs::File::open(shop.path("image.tar")).unwrap(), 1).unwrap();
    fs::write(shop.path("image.tar.zst"), zstd).unwrap();
    let plain = shop.ok(&["image", "inspect", "archive:image.tar", "--json"]);
    for packed in ["image.tar.gz", "image.tar.zst"] {
        assert_eq!(
            shop.ok(&["image", "inspect", packed, "--json"]),
            plain,
            "{packed}"
        );
        assert!(
            shop.ok(&["image", "verify", packed])
                .starts_with("whole: 1 images")
        );
        // A base that is packed is told from a root file system that is.
        let built = shop.build("worker", "archive:above.tar", &["--base", packed]);
        assert_eq!(built["layers"].as_array().unwrap().len(), 7, "{packed}");
    }
    let packed = shop.flugs(&["image", "inspect", "image.tar.xz"]);
    assert_eq!(packed.status.code(), Some(107));
    let message = said(&packed);
    assert!(message.contains("xz --decompress"), "{message}");
    // Not a word of what is in a file that is none.
    fs::write(
        shop.path("noise.tar"),
        [b"\x1b[2J\x07\xff\x00".as_slice(); 400].concat(),
    )
    .unwrap();
    let noise = shop.flugs(&["image", "inspect", "noise.tar"]);
    let message = said(&noise);
    assert!(message.contains("noise.tar: it is no tar"), "{message}");
    assert!(
        !message.contains('\u{1b}') && !message.contains('\u{fffd}'),
        "{message}"
    );
    // Cut off in its midst.
    let cut = fs::read(shop.path("image.tar.gz")).unwrap();
    fs::write(shop.path("cut.tar.gz"), &cut[..cut.len() / 2]).unwrap();
    let cut = shop.flugs(&["image", "inspect", "cut.tar.gz"]);
    assert_eq!(cut.status.code(), Some(107), "{}", said(&cut));
    assert!(
        said(&cut).contains("cut.tar.gz: it cannot be unpacked"),
        "{}",
        said(&cut)
    );
}

#[test]
fn what_docker_saves_and_others_write_like_it_is_read() {
    let shop = Workshop::new();
    let base = fs::read(shop.path("base.tar")).unwrap();
    let empty = vec![0; 1024];
    let mut builder = tar::Builder::new(fs::File::create(shop.path("saved.tar")).unwrap());
    let mut put = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    };
    // An empty layer, one that is there twice, one that is packed: all of them names of files.
    let config = null_config(&[&base, &empty, &empty, b""]);
    put("config.json", &serde_json::to_vec(&config).unwrap());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &base).unwrap();
    put("base/layer.tar", &gzip.finish().unwrap());
    put("empty/layer.tar", &empty);
    put("nothing/layer.tar", b"");
    let listed = json!([{"Config": "config.json", "RepoTags": ["saved:1", "saved:2"],
        "Layers": ["base/layer.tar", "empty/layer.tar", "twice/layer.tar", "nothing/layer.tar"]}]);
    put("manifest.json", &serde_json::to_vec(&listed).unwrap());
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder
        .append_link(&mut link, "link/layer.tar", "../empty/layer.tar")
        .unwrap();
    builder
        .append_link(&mut link, "twice/layer.tar", "../link/layer.tar")
        .unwrap();
    builder.into_inner().unwrap();

    let inspected = shop.ok(&["image", "inspect", "saved.tar", "--json"]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected[0]["name"], "saved:1");
    assert_eq!(inspected[1]["name"], "saved:2");
    assert_eq!(inspected[0]["layers"].as_array().unwrap().len(), 4);
    shop.ok(&["image", "verify", "saved.tar"]);
    let built = shop.build("worker", "oci:above", &["--base", "saved.tar"]);
    assert_eq!(built["layers"].as_array().unwrap().len(), 7);
    shop.ok(&["image", "verify", "oci:above"]);
    let unpacked = format!("{}:latest", shop.text("above"));
    run(&[
        "umoci",
        "unpack",
        "--image",
        &unpacked,
        &shop.text("bundle"),
    ]);
    // `FROM scratch` and nothing more.
    let mut scratch = tar::Builder::new(fs::File::create(shop.path("scratch.tar")).unwrap());
    for (name, document) in [
        ("config.json", null_config(&[])),
        (
            "manifest.json",
            json!([{"Config": "config.json", "RepoTags": null, "Layers": null}]),
        ),
    ] {
        let bytes = serde_json::to_vec(&document).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        scratch
            .append_data(&mut header, name, bytes.as_slice())
            .unwrap();
    }
    scratch.into_inner().unwrap();
    shop.ok(&["image", "verify", "scratch.tar"]);
}

/// As buildx leaves layouts: an index in the index, an attestation beside the image, and images of
/// other machines that are named and not there.
#[test]
fn indexes_within_indexes_are_read_and_what_is_attached_travels_along() {
    let shop = Workshop::new();
    let base = fs::read(shop.path("base.tar")).unwrap();
    let root = shop.path("buildx");
    let layout = Layout::new(&root);
    let layer = layout.put(&format!("{DOCKER}.image.rootfs.diff.tar"), &base);
    let image = layout.image(DOCKER, &null_config(&[&base]), &[layer]);
    let image = with(
        image,
        "platform",
        json!({"architecture": "amd64", "os": "linux"}),
    );
    let statement = layout.put("application/vnd.in-toto+json", b"{}");
    let attestation = layout.image(OCI, &json!({"rootfs": null}), &[statement]);
    let attestation = with(
        attestation,
        "platform",
        json!({"architecture": "unknown", "os": "unknown"}),
    );
    let inner = json!({"schemaVersion": 2, "mediaType": format!("{OCI}.index.v1+json"), "manifests": [image.clone(), attestation]});
    let inner = layout.put_json(&format!("{OCI}.index.v1+json"), &inner);
    let outer = json!({"schemaVersion": 2, "manifests": [inner.clone()]});
    let outer = layout.put_json(&format!("{OCI}.index.v1+json"), &outer);
    let named = json!({"org.opencontainers.image.ref.name": "registry.example/built:1"});

    for (entry, blobs) in [(outer, 8), (inner, 7)] {
        layout.index(&[with(entry, "annotations", named.clone())]);
        let inspected = shop.ok(&["image", "inspect", "oci:buildx", "--json"]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected.as_array().unwrap().len(), 1);
        assert_eq!(inspected[0]["name"], "registry.example/built:1");
        let whole = format!("whole: 1 images, {blobs} blobs");
        assert!(
            shop.ok(&["image", "verify", "oci:buildx"])
                .starts_with(&whole)
        );
        shop.build("worker", "oci:above", &["--base", "oci:buildx"]);
        // By way of a bundle, and still whole.
        let create = ["bundle", "create", "--unsigned", "--output", "air.bundle"];
        shop.ok(&[create.as_slice(), &["--image", "oci:buildx"]].concat());
        let load = ["bundle", "load", "air.bundle", "--unsigned"];
        shop.ok(&[load.as_slice(), &["--to", "oci:loaded"]].concat());
        assert!(
            shop.ok(&["image", "verify", "oci:loaded"])
                .starts_with(&whole)
        );
    }
    // For others too, who have one level of indexes.
    let loaded = format!("oci:{}:1", shop.text("loaded"));
    let copied = format!("dir:{}", shop.text("copied"));
    run(&["skopeo", "copy", "--all", &loaded, &copied]);

    let arm = json!({"mediaType": format!("{OCI}.manifest.v1+json"), "size": 4,
        "digest": format!("sha256:{}", Sha256Digest::of(b"gone")), "platform": {"architecture": "arm64", "os": "linux"}});
    let sparse = json!({"schemaVersion": 2, "manifests": [image, arm]});
    let sparse = layout.put_json(&format!("{OCI}.index.v1+json"), &sparse);
    layout.index(&[with(sparse, "annotations", named)]);
    shop.build("worker", "oci:sparse", &["--base", "oci:buildx"]);
    let gone = shop.flugs(&["image", "verify", "oci:buildx"]);
    assert!(said(&gone).contains("lacks sha256:"), "{}", said(&gone));
}

#[test]
fn what_is_no_image_or_lacks_a_layer_is_refused_by_name_with_what_to_do() {
    let shop = Workshop::new();
    let base = fs::read(shop.path("base.tar")).unwrap();
    let root = shop.path("odd");
    let layout = Layout::new(&root);
    let refused = |expected: &[&str]| {
        let words = [
            "image",
            "build",
            "images/worker.yaml",
            "--base",
            "oci:odd",
            "--output",
            "oci:x",
        ];
        let more = [
            "--flink-home",
            "flink",
            "--binary",
            "flugs",
            "--cache",
            "cache",
        ];
        let output = shop.flugs(&[words.as_slice(), &more].concat());
        assert_eq!(output.status.code(), Some(107), "{}", said(&output));
        for part in expected {
            assert!(said(&output).contains(part), "{part}: {}", said(&output));
        }
    };
    let config = null_config(&[&base]);
    let whole = layout.put(&format!("{OCI}.layer.v1.tar"), &base);

    let wrong = with(whole.clone(), "size", json!(base.len() + 1));
    layout.index(&[layout.image(OCI, &config, &[wrong])]);
    refused(&["bytes long, and should be"]);

    let foreign = json!({"mediaType": format!("{DOCKER}.image.rootfs.foreign.diff.tar.gzip"), "size": 3,
        "digest": format!("sha256:{}", Sha256Digest::of(b"abc")), "urls": ["https://vendor.example/layer"]});
    layout.index(&[layout.image(OCI, &config, &[foreign])]);
    refused(&["https://vendor.example/layer", "blobs/sha256/"]);

    let encrypted = with(
        whole.clone(),
        "mediaType",
        json!(format!("{OCI}.layer.v1.tar+encrypted")),
    );
    layout.index(&[layout.image(OCI, &config, &[encrypted])]);
    refused(&["tar+encrypted is no layer of files"]);

    let chart = layout.put("application/vnd.cncf.helm.config.v1+json", b"{}");
    let chart = json!({"schemaVersion": 2, "config": chart, "layers": []});
    layout.index(&[layout.put_json(&format!("{OCI}.manifest.v1+json"), &chart)]);
    refused(&["it is no image: its configuration is application/vnd.cncf.helm.config.v1+json"]);

    layout.index(&[layout.put(
        &format!("{DOCKER}.distribution.manifest.v1+prettyjws"),
        b"{}",
    )]);
    refused(&["first schema", "docker pull"]);

    layout.index(&[]);
    refused(&["has no image at all"]);

    // A layer that is a link to its bytes is as good as another, one that leads nowhere is missing.
    let digest = Sha256Digest::of(&base).to_string();
    let blob = root.join("blobs/sha256").join(digest);
    fs::rename(&blob, root.join("bytes")).unwrap();
    std::os::unix::fs::symlink("../../bytes", &blob).unwrap();
    layout.index(&[layout.image(OCI, &config, &[whole])]);
    shop.build("worker", "oci:linked", &["--base", "oci:odd"]);
    fs::remove_file(root.join("bytes")).unwrap();
    // The build has that layer by now; whoever reads the layout alone misses it.
    let found = shop.flugs(&["image", "verify", "oci:odd"]);
    assert_eq!(found.status.code(), Some(107));
    assert!(said(&found).contains("lacks sha256:"), "{}", said(&found));

    let directory = shop.path("copied");
    fs::create_dir(&directory).unwrap();
    for file in ["version", "manifest.json"] {
        fs::write(directory.join(file), "{}").unwrap();
    }
    let found = shop.flugs(&["image", "inspect", "oci:copied"]);
    assert!(
        said(&found).contains("skopeo copy dir:"),
        "{}",
        said(&found)
    );
}
