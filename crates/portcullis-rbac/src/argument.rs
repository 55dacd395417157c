//! What a rule asks of an argument, as configured.

use serde_json::Value;

pub(crate) mod check;
pub(crate) mod decimal;
pub(crate) mod find;
pub(crate) mod scalar;

/// What a rule asks of one argument. All that is set must hold.
///
/// The answer can be *nobody can say*: the argument is missing, of another type than the condition
/// is about, or spelled so that servers may read it in two ways. An allow rule then does not allow,
/// and a deny rule denies. Servers may also differ about which argument it is, where its
/// name stands there in another letter case, or `__proto__` does: then nobody can say anything of it,
/// not even whether it is [`present`](Self::present), which is otherwise always known.
///
/// Values are compared as JSON has them: `"1"` is not `1`, strings by code point, numbers as
/// decimals of any size.
#[derive(Clone, Debug, Default)]
#[must_use = "a condition does nothing until it is given to a rule"]
pub struct Argument {
    pub(crate) present: Option<bool>,
    pub(crate) equals: Option<Value>,
    pub(crate) one_of: Option<Vec<Value>>,
    pub(crate) min: Option<Value>,
    pub(crate) max: Option<Value>,
    pub(crate) prefix: Option<String>,
    pub(crate) suffix: Option<String>,
    pub(crate) under: Option<String>,
    pub(crate) matches: Option<String>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) each: Option<Box<Argument>>,
}

impl Argument {
    /// Asks nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The argument is there, `null` included; or is not.
    pub fn present(mut self, present: bool) -> Self {
        self.present = Some(present);
        self
    }

    /// It is this string, number, boolean or `null`.
    pub fn equals(mut self, value: impl Into<Value>) -> Self {
        self.equals = Some(value.into());
        self
    }

    /// It is one of these, which are all of one type.
    pub fn one_of<T: Into<Value>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.one_of = Some(values.into_iter().map(T::into).collect());
        self
    }

    /// It is this number or a greater one.
    pub fn min(mut self, least: impl Into<Value>) -> Self {
        self.min = Some(least.into());
        self
    }

    /// It is this number or a smaller one.
    pub fn max(mut self, most: impl Into<Value>) -> Self {
        self.max = Some(most.into());
        self
    }

    /// It is a string that starts so. For paths use [`under`](Self::under): `..` can lead out of any
    /// prefix.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// It is a string that ends so.
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = Some(suffix.into());
        self
    }

    /// It is this path or one below it. Nobody can say it of a path with segments that are empty or have
    /// only dots and spaces, backslashes, control characters or percent-encoding, or characters that some
    /// servers turn into one of these, such as full-width ones; nor of a relative path where this one is
    /// absolute. Symbolic links are the server's to mind.
    pub fn under(mut self, path: impl Into<String>) -> Self {
        self.under = Some(path.into());
        self
    }

    /// It is a string all of which matches this regular expression, in the syntax of the `regex`
    /// crate. Matching takes time linear in the string; nobody can say it of more than 64 KiB.
    pub fn matches(mut self, pattern: impl Into<String>) -> Self {
        self.matches = Some(pattern.into());
        self
    }

    /// It is a string of at least so many characters (code points), or a list of so many items.
    pub fn min_length(mut self, least: u64) -> Self {
        self.min_length = Some(least);
        self
    }

    /// It is a string of at most so many characters (code points), or a list of so many items.
    pub fn max_length(mut self, most: u64) -> Self {
        self.max_length = Some(most);
        self
    }

    /// It is a list, and this holds of every item; of none in an empty list.
    pub fn each(mut self, item: Self) -> Self {
        self.each = Some(Box::new(item));
        self
    }
}
