use proptest::prelude::*;

use super::grammar::read;
use super::*;

#[test]
fn families_have_their_help_and_type_before_their_samples() {
    let mut text = Exposition::default();
    text.counter("flugs_calls_total", "Calls by kind.")
        .sample(&[("call", "ACCEPT"), ("to", "a \"b\"\\c\n")], 3_u64);
    text.gauge("flugs_ready", "Whether all is well.").only(true);
    let mut took = Histogram::new(&[0.1, 1.0]);
    for seconds in [0.05, 0.1, 0.5, 7.0] {
        took.observe(seconds);
    }
    text.histogram("flugs_took_seconds", "How long it took.", &took);
    let text = text.finish();
    insta::assert_snapshot!(text, @r#"
    # HELP flugs_calls_total Calls by kind.
    # TYPE flugs_calls_total counter
    flugs_calls_total{call="ACCEPT",to="a \"b\"\\c\n"} 3
    # HELP flugs_ready Whether all is well.
    # TYPE flugs_ready gauge
    flugs_ready 1
    # HELP flugs_took_seconds How long it took.
    # TYPE flugs_took_seconds histogram
    flugs_took_seconds_bucket{le="0.1"} 2
    flugs_took_seconds_bucket{le="1"} 3
    flugs_took_seconds_bucket{le="+Inf"} 4
    flugs_took_seconds_sum 7.65
    flugs_took_seconds_count 4
    "#);
    read(&text).unwrap();
}

/// The checks of other tests are only as good as the reader is strict.
#[test]
fn the_strict_reader_refuses_what_the_format_or_its_conventions_forbid() {
    let head = "# HELP a_total b\n# TYPE a_total counter\n";
    for (wrong, why) in [
        ("a_total 1".to_owned(), "the last line has no end"),
        ("a_total 1\n".to_owned(), "a sample before its type"),
        (format!("{head}a_total x\n"), "not a number"),
        (format!("{head}b_total 1\n"), "a sample of another family"),
        (format!("{head}a_total 1\na_total 2\n"), "a series twice"),
        (format!("{head}{head}"), "a family in two groups"),
        (format!("{head}a_total{{b=\"c}} 1\n"), "a value without an end"),
        (format!("{head}a_total{{b=\"\\t\"}} 1\n"), "an unknown escape"),
        (format!("{head}a_total{{1=\"\"}} 1\n"), "is no name"),
        (format!("{head}a_total -1\n"), "a count below zero"),
        (
            "# HELP a_ms b\n# TYPE a_ms gauge\n".to_owned(),
            "no base unit",
        ),
        (
            "# HELP a b\n# TYPE a counter\n".to_owned(),
            "end with _total",
        ),
        (
            "# HELP a b\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n"
                .to_owned(),
            "less than a smaller one",
        ),
    ] {
        let error = read(&wrong).unwrap_err();
        assert!(error.contains(why), "{wrong}: {error}");
    }
}

proptest! {
    #[test]
    fn any_label_value_and_any_number_can_be_written(
        value in any::<String>(),
        whole in any::<u64>(),
        real in any::<f64>(),
    ) {
        // A carriage return is a letter of a line to Prometheus, and the end of one to nobody.
        prop_assume!(!value.contains('\r'));
        let mut text = Exposition::default();
        text.counter("a_total", "b").sample(&[("of", &value)], whole);
        text.gauge("c", &format!("d {value}")).only(real);
        let read = read(&text.finish());
        prop_assert!(read.is_ok(), "{read:?}");
    }
}
