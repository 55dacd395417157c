//! Text that others wrote, cut to size and in memory of our own.

/// The longest text, and the longest list of texts, that a member of a record holds.
pub(crate) const FIELD_MAX: usize = 1024;

/// The longest prefix of `text` that fits a member.
pub(crate) fn clip(text: &str) -> &str {
    if text.len() <= FIELD_MAX {
        return text;
    }
    let mut end = FIELD_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A text inside a [`Pack`]; absent by default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Span(Option<(u32, u32)>);

/// Every text of a record that a client chose, in one allocation.
///
/// Copies, never slices of the request: a slice in the queue would keep the whole read buffer of
/// the connection alive, and the server would have to allocate another.
#[derive(Clone, Debug)]
pub(crate) struct Pack {
    text: String,
    truncated: bool,
}

impl Pack {
    pub(crate) fn new() -> Self {
        Self { text: String::with_capacity(192), truncated: false }
    }

    /// Whether anything was cut.
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    /// Says that something was cut.
    pub(crate) fn cut(&mut self) {
        self.truncated = true;
    }

    pub(crate) fn push(&mut self, text: &str) -> Span {
        let kept = clip(text);
        self.truncated |= kept.len() < text.len();
        let start = self.text.len();
        self.text.push_str(kept);
        match (u32::try_from(start), u32::try_from(self.text.len())) {
            (Ok(start), Ok(end)) => Span(Some((start, end))),
            _ => Span::default(),
        }
    }

    /// Like [`push`](Self::push) for bytes that may not be UTF-8; what is not becomes U+FFFD.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) -> Span {
        match str::from_utf8(bytes) {
            Ok(text) => self.push(text),
            Err(_) => self.push(&String::from_utf8_lossy(bytes)),
        }
    }

    /// Adds an item of a list, unless the list would outgrow its member. `used` is the size so far.
    pub(crate) fn push_item(&mut self, used: &mut usize, text: &str) -> Option<Span> {
        let kept = clip(text);
        let size = used.saturating_add(kept.len());
        if size > FIELD_MAX {
            self.truncated = true;
            return None;
        }
        *used = size;
        Some(self.push(text))
    }

    pub(crate) fn get(&self, span: Span) -> Option<&str> {
        let (start, end) = span.0?;
        self.text.get(start as usize..end as usize)
    }
}

/// The items of a list that fit a member.
pub(crate) fn clip_list<'a>(
    items: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = &'a str> {
    items.into_iter().scan(0, |used: &mut usize, item| {
        let item = clip(item);
        *used = used.saturating_add(item.len());
        (*used <= FIELD_MAX).then_some(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "é".repeat(FIELD_MAX);
        assert_eq!(clip(&long), "é".repeat(FIELD_MAX / 2));
        let odd = format!("x{long}");
        assert_eq!(clip(&odd).len(), FIELD_MAX - 1, "half a character is not kept");

        let mut pack = Pack::new();
        let short = pack.push("read_file");
        assert!(!pack.truncated());
        let cut = pack.push(&odd);
        assert!(pack.truncated());
        assert_eq!(pack.get(short), Some("read_file"));
        assert_eq!(pack.get(cut), Some(clip(&odd)));
        assert_eq!(pack.get(Span::default()), None);
    }

    #[test]
    fn lists_are_cut_between_items() {
        let item = "y".repeat(500);
        let items = [item.as_str(), &item, &item];
        assert_eq!(clip_list(items).count(), 2);

        let (mut pack, mut used) = (Pack::new(), 0);
        assert!(pack.push_item(&mut used, &item).is_some());
        assert!(pack.push_item(&mut used, &item).is_some());
        assert!(!pack.truncated());
        assert!(pack.push_item(&mut used, &item).is_none());
        assert!(pack.truncated());
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        let mut pack = Pack::new();
        let span = pack.push_bytes(b"agent/\xff");
        assert_eq!(pack.get(span), Some("agent/\u{fffd}"));
    }
}
