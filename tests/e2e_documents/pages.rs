//! The pages that people read, and the blocks of commands, output and configuration in them.

use std::fs;
use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A fenced or indented block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// The page, below the root.
    pub(crate) page: String,
    /// Where in it, for messages.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Block {
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    /// The commands of a block that shows them behind `$ ` together with their output.
    pub(crate) fn session(&self) -> (String, String) {
        let (command, output) = self.text.split_once('\n').unwrap();
        (
            command.strip_prefix("$ ").unwrap().to_owned(),
            output.to_owned(),
        )
    }
}

/// Every page, below the root.
pub(crate) fn pages() -> Vec<String> {
    let mut pages: Vec<String> = ["", "docs"]
        .iter()
        .flat_map(|folder| pages_of(folder))
        .collect();
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// The text of a page.
pub(crate) fn markdown(page: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(page)).unwrap()
}

/// Every block of every page.
pub(crate) fn blocks() -> Vec<Block> {
    pages()
        .iter()
        .flat_map(|page| read(page, &markdown(page)))
        .collect()
}

fn pages_of(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"));
    let path = |name: String| Path::new(folder).join(name).to_str().unwrap().to_owned();
    pages.map(path).collect()
}

fn read(page: &str, markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut current: Option<Block> = None;
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let fence = usize::from(matches!(kind, CodeBlockKind::Fenced(_)));
                let before = markdown.get(..range.start).unwrap();
                current = Some(Block {
                    page: page.to_owned(),
                    line: before.matches('\n').count() + 1 + fence,
                    text: String::new(),
                });
            }
            Event::Text(text) => {
                if let Some(block) = &mut current {
                    block.text.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(current.take()),
            _ => {}
        }
    }
    blocks
}

#[test]
fn blocks_are_found_in_fences_by_indentation_and_in_lists() {
    let page =
        "# A\n\n    one\n    two\n\n```json\n{}\n```\n\n- b\n\n      three\n\ntext `inline`\n";
    let found: Vec<(usize, String)> = read("p", page)
        .into_iter()
        .map(|block| (block.line, block.text))
        .collect();
    let expected = [(3, "one\ntwo\n"), (7, "{}\n"), (12, "three\n")];
    let expected = expected.map(|(line, text)| (line, text.to_owned()));
    assert_eq!(found, expected);
}
