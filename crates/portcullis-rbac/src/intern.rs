//! Ids of rules, which every decision carries.

use std::collections::HashSet;
use std::sync::Mutex;

use portcullis_core::Text;

/// The most bytes of ids that are kept for good.
const MAX_KEPT: usize = 16 << 20;

/// The ids kept so far, and their bytes.
static KEPT: Mutex<Option<(HashSet<&'static str>, usize)>> = Mutex::new(None);

/// `id` as a text that costs nothing to copy.
///
/// A decision copies its rule's id, and threads that count references to one text slow each other
/// down. So each id is kept once for the life of the process; a policy that is read again mostly has
/// the ids it had. Past 16 MiB of ids, further ones are counted after all.
pub(crate) fn text(id: &str) -> Text {
    let Ok(mut kept) = KEPT.lock() else { return Text::from(id) };
    let (ids, bytes) = kept.get_or_insert_default();
    if let Some(id) = ids.get(id) {
        return Text::from_static(id);
    }
    if *bytes + id.len() > MAX_KEPT {
        return Text::from(id);
    }
    *bytes += id.len();
    let id: &'static str = Box::leak(id.into());
    ids.insert(id);
    Text::from_static(id)
}
