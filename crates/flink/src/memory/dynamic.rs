//! The order in which Flink writes derived settings: that of a Java `HashMap`.
//!
//! The order carries no meaning to Flink. It is kept so that a command line built here can be
//! compared with Flink's own, argument by argument.

/// Sorts `items` as a `HashMap` with their keys would iterate over them, if they were inserted
/// in the given order: by bucket, and by age within a bucket. Keys must be different.
pub(super) fn java_map_order<T>(items: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    let buckets = bucket_count(items.len());
    let mut items = items;
    items.sort_by_key(|item| bucket(key(item), buckets));
    items
}

/// A table starts with 16 buckets and doubles when it is more than three quarters full.
fn bucket_count(entries: usize) -> u32 {
    let mut buckets: u32 = 16;
    while entries > usize::try_from(buckets / 4 * 3).unwrap_or(usize::MAX) {
        buckets = buckets.saturating_mul(2);
    }
    buckets
}

fn bucket(key: &str, buckets: u32) -> u32 {
    let hash = java_hash(key);
    (hash ^ (hash >> 16)) & (buckets - 1)
}

/// Java's `String.hashCode`, over UTF-16 units.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("gpu"), 102_572);
        assert_eq!(java_hash("Aa"), java_hash("BB"));
    }

    #[test]
    fn thirteen_entries_need_thirty_two_buckets() {
        assert_eq!(bucket_count(12), 16);
        assert_eq!(bucket_count(13), 32);
        assert_eq!(bucket_count(25), 64);
    }

    #[test]
    fn entries_of_one_bucket_keep_their_age() {
        let order = java_map_order(vec!["BB", "Aa"], |key| key);
        assert_eq!(order, ["BB", "Aa"]);
        let order = java_map_order(vec!["gpu", "fpga"], |key| key);
        assert_eq!(order, ["fpga", "gpu"]);
    }
}
