//! The embedded cluster on this machine.

use std::fs;

use crate::docker_images::flink_home;
use crate::known::{Scene, one};
use crate::place::{Place, shape};

#[test]
fn the_embedded_cluster_comes_up_as_shown_with_the_documented_overlay() {
    let home = flink_home("2.3.0");
    let home = home.to_str().unwrap();
    let overlay = one(Scene::Embedded, "docs/overlays.md", "{");
    let up = one(Scene::Embedded, "README.md", "$ flugs up");
    let (command, shown) = up.session();
    let place = Place::new(&[("/opt/flink", home)]);
    fs::write(place.path("overlay.json"), &overlay.text).unwrap();
    fs::create_dir(place.path("rules")).unwrap();
    for file in ["gazetteer.bin", "rules/one", "key.pem"] {
        fs::write(place.path(file), file).unwrap();
    }
    let output = place.run(&format!("{command} --overlay overlay.json"));
    let sandbox = place.path(".flugs/cluster/sandboxes/taskmanager-1");
    for (dest, content) in [
        ("data/gazetteer.bin", "gazetteer.bin"),
        ("data/rules/one", "rules/one"),
        ("tls/key.pem", "key.pem"),
    ] {
        assert_eq!(fs::read_to_string(sandbox.join(dest)).unwrap(), content);
    }
    place.run("flugs down");
    let here = place.path("").display().to_string();
    let output = output.replace(here.trim_end_matches('/'), "/srv");
    assert_eq!(shape(&output), shape(&shown));
    place.used_every_name();
}
