//! `$NAME` and `${NAME}` replaced by the environment, exactly as GNU `envsubst` does it: no
//! defaults, no escaping, and a variable that is not set becomes nothing.

/// The text with every variable replaced, and the names that were not set.
pub(super) fn substitute(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (String, Vec<String>) {
    let mut output = String::with_capacity(text.len());
    let mut unset = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        output.push_str(before);
        let Some((name, after)) = variable(behind) else {
            output.push('$');
            rest = behind;
            continue;
        };
        match environment(name) {
            Some(value) => output.push_str(&value),
            None => unset.push(name.to_owned()),
        }
        rest = after;
    }
    output.push_str(rest);
    (output, unset)
}

/// The variable's name behind a `$` and what follows it; `None` if no variable stands there.
fn variable(behind: &str) -> Option<(&str, &str)> {
    match behind.strip_prefix('{') {
        Some(inner) => {
            let (name, after) = name(inner)?;
            Some((name, after.strip_prefix('}')?))
        }
        None => name(behind),
    }
}

fn name(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    let (name, after) = text.split_at_checked(end)?;
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn substituted(text: &str) -> (String, Vec<String>) {
        substitute(text, &|name| (name == "A").then(|| "x $A".to_owned()))
    }

    #[test]
    fn variables_are_replaced_once_and_nothing_else_is() {
        assert_eq!(substituted("${A}-$A.b").0, "x $A-x $A.b");
        assert_eq!(
            substituted("$(A) ${A:-d} $1 ${} $ $$ ${A").0,
            "$(A) ${A:-d} $1 ${} $ $$ ${A"
        );
        assert_eq!(
            substituted("é$A_B"),
            ("é".to_owned(), vec!["A_B".to_owned()])
        );
    }
}
