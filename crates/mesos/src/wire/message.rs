//! How messages and enums of the API are declared: like in its `.proto` files.
//!
//! Owns the two macros. Never knows a message.

/// Declares a message. `required` fields must be present, `optional` ones may be absent or
/// `null`, `repeated` ones may be absent, `null` or empty; unknown fields are ignored. What is
/// absent is not written.
macro_rules! message {
    ($(#[$meta:meta])* $name:ident { $($body:tt)* }) => {
        message!(@fields [$(#[$meta])*] $name [] $($body)*);
    };
    (@fields [$($meta:tt)*] $name:ident [$($done:tt)*]) => {
        $($meta)*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name { $($done)* }
    };
    (@fields $meta:tt $name:ident [$($done:tt)*]
        $(#[$field_meta:meta])* required $field:ident: $type:ty, $($rest:tt)*) => {
        message!(@fields $meta $name [$($done)* $(#[$field_meta])* pub $field: $type,] $($rest)*);
    };
    (@fields $meta:tt $name:ident [$($done:tt)*]
        $(#[$field_meta:meta])* optional $field:ident: $type:ty, $($rest:tt)*) => {
        message!(@fields $meta $name [$($done)* $(#[$field_meta])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,] $($rest)*);
    };
    (@fields $meta:tt $name:ident [$($done:tt)*]
        $(#[$field_meta:meta])* repeated $field:ident: $type:ty, $($rest:tt)*) => {
        message!(@fields $meta $name [$($done)* $(#[$field_meta])*
            #[serde(default, deserialize_with = "crate::wire::tolerant::list",
                skip_serializing_if = "Vec::is_empty")]
            pub $field: Vec<$type>,] $($rest)*);
    };
}

/// Declares an enum that keeps values it does not know, so that a newer master can be understood.
/// The first value is the default.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident {
        $(#[$first_meta:meta])* $first:ident = $first_text:literal,
        $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $(#[$first_meta])*
            #[default]
            $first,
            $($(#[$variant_meta])* $variant,)*
            /// A value that this version does not know.
            Other(String),
        }

        impl $name {
            /// The value as the API spells it.
            pub fn as_str(&self) -> &str {
                match self {
                    Self::$first => $first_text,
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $first_text => Self::$first,
                    $($text => Self::$variant,)*
                    _ => Self::Other(text),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

pub(super) use {message, open_enum};
