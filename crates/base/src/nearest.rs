//! Which word somebody may have meant.

/// The choice that is spelled most like this word, if any is alike at all.
pub fn nearest<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 4).max(1);
    choices
        .into_iter()
        .map(|choice| (strsim::damerau_levenshtein(choice, word), choice))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, choice)| choice)
}

/// The same as the end of a message: nothing, or a question.
pub fn did_you_mean<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = nearest(word, choices);
    nearest.map_or_else(String::new, |choice| format!("; did you mean {choice}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_a_slip_is_recognised_and_another_word_is_not() {
        let roles = [
            "jobmanager",
            "taskmanager",
            "standalone-job",
            "history-server",
        ];
        for (word, meant) in [
            ("taskmanger", Some("taskmanager")),
            ("tasK-manager", Some("taskmanager")),
            ("jobmanagre", Some("jobmanager")),
            ("historyserver", Some("history-server")),
            ("worker", None),
            ("", None),
            ("ls", None),
        ] {
            assert_eq!(nearest(word, roles), meant, "{word}");
        }
        assert_eq!(did_you_mean("x", roles), "");
    }
}
