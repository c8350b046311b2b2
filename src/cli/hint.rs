//! The command that somebody meant who asked for the help of one that there is not: of those that are
//! called, the parser says it itself.

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use flugs_base::nearest;

use super::CommandLine;

/// The error with the command that is spelled most like the one asked for, if it lacks one.
pub(super) fn nearest_command(error: &clap::Error) -> Option<clap::Error> {
    let words = std::env::args().skip(1);
    with_nearest(error, &words.collect::<Vec<_>>())
}

fn with_nearest(error: &clap::Error, words: &[String]) -> Option<clap::Error> {
    let Some(ContextValue::String(asked)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    if error.kind() != ErrorKind::InvalidSubcommand
        || error.get(ContextKind::SuggestedSubcommand).is_some()
    {
        return None;
    }
    let mut command = CommandLine::command();
    let above = words.iter().take_while(|word| *word != asked);
    for word in above {
        if let Some(below) = command.find_subcommand(word) {
            command = below.clone();
        }
    }
    let meant = nearest(
        asked,
        command.get_subcommands().map(clap::Command::get_name),
    )?;
    let mut hinted = clap::Error::new(error.kind()).with_cmd(&command);
    hinted.insert(
        ContextKind::InvalidSubcommand,
        ContextValue::String(asked.clone()),
    );
    hinted.insert(
        ContextKind::SuggestedSubcommand,
        ContextValue::Strings(vec![meant.to_owned()]),
    );
    Some(hinted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_for_the_help_of_a_misspelled_command_is_told_what_was_meant() {
        for (words, meant) in [
            (["help", "lanch"], "launch"),
            (["conf", "help chek"], "check"),
            (["help", "nothing-of-the-kind"], ""),
        ] {
            let words: Vec<String> = words
                .iter()
                .flat_map(|word| word.split(' '))
                .map(str::to_owned)
                .collect();
            let called = std::iter::once("flugs".to_owned()).chain(words.iter().cloned());
            let error = CommandLine::command()
                .try_get_matches_from(called)
                .unwrap_err();
            let hinted = with_nearest(&error, &words).map(|error| error.to_string());
            let hinted = hinted.unwrap_or_default();
            assert!(hinted.contains(meant), "{hinted}");
            assert_eq!(hinted.is_empty(), meant.is_empty(), "{hinted}");
        }
    }
}
