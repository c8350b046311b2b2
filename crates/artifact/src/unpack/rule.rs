//! The rules that an archive must keep. Breaking one is an error, never a skipped entry.

/// Which rule an entry breaks, or the archive as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The name is not UTF-8.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// The name is empty.
    #[error("its name is empty")]
    NoName,
    /// The name starts at the root (CVE-2001-1267 and everything since).
    #[error("its name is absolute")]
    Absolute,
    /// The name holds `..` ("zip slip").
    #[error("its name holds \"..\"")]
    ParentInName,
    /// The name holds an empty or `.` component.
    #[error("its name holds an empty or \".\" component")]
    OddName,
    /// The name holds a backslash, which some unpackers take for a separator.
    #[error("its name holds a backslash")]
    Backslash,
    /// The name or link target holds a control character.
    #[error("its name or link target holds a control character")]
    Control,
    /// The name is longer than file systems allow.
    #[error("its name is too long: 255 bytes a component and 4096 in all are allowed")]
    LongName,
    /// It lies too deep.
    #[error("it lies deeper than {limit} directories")]
    Depth {
        /// The most that is allowed.
        limit: usize,
    },
    /// Another entry has the same name.
    #[error("another entry has the same name")]
    Duplicate,
    /// An entry above it is not a directory: it would be written through a link (CVE-2025-29787,
    /// CVE-2025-8959, RUSTSEC-2021-0080) or a file.
    #[error("\"{above}\" above it is not a directory")]
    ThroughOther {
        /// The entry above.
        above: String,
    },
    /// It is a hard link (RUSTSEC-2018-0002, CVE-2026-29786).
    #[error("it is a hard link")]
    HardLink,
    /// It is a character or block device.
    #[error("it is a device")]
    Device,
    /// It is a FIFO.
    #[error("it is a FIFO")]
    Fifo,
    /// It is a sparse file, whose size is a matter of opinion.
    #[error("it is a sparse file")]
    Sparse,
    /// It is of a kind that has no place here (a socket, a volume label, …).
    #[error("it is neither file, directory nor symbolic link (type {kind})")]
    Kind {
        /// The type as the format writes it.
        kind: String,
    },
    /// It has the setuid, setgid or sticky bit.
    #[error("it has mode {mode:#o}: setuid, setgid and sticky bits are not accepted")]
    SpecialBits {
        /// Its mode.
        mode: u32,
    },
    /// A directory or link that has content, which parsers skip differently (CVE-2026-5704).
    #[error("it has content although it is not a file")]
    Content,
    /// A symbolic link without a target.
    #[error("it is a symbolic link to nothing")]
    LinkEmpty,
    /// A symbolic link to an absolute path.
    #[error("it is a symbolic link to the absolute path \"{target}\"")]
    LinkAbsolute {
        /// Where it leads.
        target: String,
    },
    /// A symbolic link that leaves the tree.
    #[error("it is a symbolic link that leaves the tree: \"{target}\"")]
    LinkEscapes {
        /// Where it leads.
        target: String,
    },
    /// A symbolic link with `..` after a name: where that leads depends on other links.
    #[error("it is a symbolic link with \"..\" after a name: \"{target}\"")]
    LinkWinding {
        /// Where it leads.
        target: String,
    },
    /// A symbolic link that the kernel does not resolve within the tree.
    #[error("it is a symbolic link that does not stay within the tree")]
    LinkResolvesOutside,
    /// Too many entries.
    #[error("the archive has more than {limit} entries")]
    Entries {
        /// The most that is allowed.
        limit: u64,
    },
    /// One file is too large.
    #[error("it is larger than {limit} bytes")]
    FileSize {
        /// The most that is allowed.
        limit: u64,
    },
    /// All together is too large.
    #[error("the archive's files are larger than {limit} bytes together")]
    TotalSize {
        /// The most that is allowed.
        limit: u64,
    },
    /// It expands too much (CVE-2023-0475, "zip bomb").
    #[error("the archive expands more than {limit} times")]
    Ratio {
        /// The most that is allowed.
        limit: u64,
    },
    /// Unpacking takes too long.
    #[error("unpacking takes longer than {limit} seconds")]
    Time {
        /// The most that is allowed.
        limit: u64,
    },
    /// A PAX header that cannot be read exactly one way (GHSA-3pv8-6f4r-ffg2, GHSA-fp55-jw48-c537,
    /// CVE-2025-62518).
    #[error("its extended header is malformed: {reason}")]
    ExtendedHeader {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A header that programs read in different ways.
    #[error("its header can be read in two ways: it has {what}")]
    Ambiguous {
        /// What makes it so.
        what: &'static str,
    },
    /// Its extension headers are too long to be of use.
    #[error("its extension headers are longer than {limit} bytes")]
    ExtensionSize {
        /// The most that is allowed.
        limit: usize,
    },
    /// A global PAX header that would change the entries after it.
    #[error("a global header sets \"{key}\" for all entries")]
    GlobalHeader {
        /// Which attribute.
        key: String,
    },
    /// Two headers give the same entry different sizes (RUSTSEC-2026-0068).
    #[error("its headers disagree about its size: {first} and {second} bytes")]
    SizesDisagree {
        /// What one says.
        first: u64,
        /// What the other says.
        second: u64,
    },
    /// The end-of-archive marker is missing: the archive is cut.
    #[error("the archive ends without its end marker: it may be cut")]
    NoEnd,
    /// Something follows the end of the archive.
    #[error("something follows the end of the archive")]
    Trailing,
    /// Zip: it is encrypted.
    #[error("it is encrypted")]
    Encrypted,
    /// Zip: its parts overlap, leave gaps, or do not start at the file's start.
    #[error("the archive's parts do not follow one another without gap or overlap")]
    Layout,
    /// Zip: the directory and the entry itself disagree (hidden entries).
    #[error("the archive's directory and the entry itself disagree about its {about}")]
    DirectoryDisagrees {
        /// About what.
        about: &'static str,
    },
    /// Zip: the archive has a comment, or is in the 64-bit format for many entries.
    #[error("the archive's end record is not the plain one")]
    EndRecord,
}
