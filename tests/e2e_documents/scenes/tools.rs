//! Commands that compute and print.

use crate::known::{Scene, one};
use crate::place::Place;

#[test]
fn the_memory_model_prints_what_is_shown() {
    let (command, shown) = one(Scene::Tools, "docs/memory.md", "$ flugs memory").session();
    assert_eq!(Place::new(&[]).run(&command), shown);
}
