//! Handles of an application, each for one caller (R-440).

use portcullis_core::Caller;

use super::SessionKeys;

/// Apart from tasks, so that neither opens as the other.
const FORMAT: u8 = 3;

impl SessionKeys {
    /// `handle` as only this caller can use it at this resource: what a tool names and later takes as an
    /// argument, such as the id of a basket, can then not be used by somebody else who learns it (R-440).
    /// The same handle is always sealed as the same text, in letters, digits, `-` and `_`.
    ///
    /// `None` when the handle is too long: the text has 1 KiB at most. It opens as long as the key is known.
    ///
    /// ```
    /// # use portcullis_core::{Caller, Principal};
    /// # use portcullis_mcp::SessionKeys;
    /// # let caller = |who| Caller::Verified(Principal::builder("https://id.example", who).build().into());
    /// # let (alice, bob) = (caller("alice"), caller("bob"));
    /// # let resource = "https://mcp.example.com/mcp";
    /// let keys = SessionKeys::random();
    /// let sealed = keys.seal_handle("basket-7", &alice, resource).expect("it is short");
    /// assert_eq!(keys.open_handle(&sealed, &alice, resource).as_deref(), Some("basket-7"));
    /// assert_eq!(keys.open_handle(&sealed, &bob, resource), None);
    /// ```
    #[must_use]
    pub fn seal_handle(&self, handle: &str, caller: &Caller, resource: &str) -> Option<String> {
        self.seal_for(FORMAT, ("", handle), caller, resource)
    }

    /// The handle that was sealed for this caller; `None` for anything else.
    #[must_use]
    pub fn open_handle(&self, sealed: &str, caller: &Caller, resource: &str) -> Option<String> {
        self.open_for(FORMAT, sealed, caller, resource).map(|(_, handle)| handle)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{AnonymousReason, Principal};

    use super::*;

    /// R-440.
    #[test]
    fn handles_open_for_their_caller_alone() {
        const RESOURCE: &str = "https://mcp.example/mcp";
        let keys = SessionKeys::new(&[7; 32]);
        let caller = |subject: &str, client: &str| {
            let principal = Principal::builder("https://id.example", subject).client_id(client);
            Caller::Verified(principal.build().into())
        };
        let alice = caller("alice", "ide");
        for handle in ["basket-7", "", "\"\u{e9}\n", &"x".repeat(600)] {
            let sealed = keys.seal_handle(handle, &alice, RESOURCE).unwrap();
            assert_eq!(keys.seal_handle(handle, &alice, RESOURCE), Some(sealed.clone()));
            assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            let open = |caller: &Caller, resource| keys.open_handle(&sealed, caller, resource);
            assert_eq!(open(&alice, RESOURCE).as_deref(), Some(handle));
            assert_eq!(open(&caller("bob", "ide"), RESOURCE), None);
            assert_eq!(open(&caller("alice", "cli"), RESOURCE), None);
            assert_eq!(open(&Caller::Anonymous(AnonymousReason::NoCredentials), RESOURCE), None);
            assert_eq!(open(&alice, "https://mcp.example/other"), None);
            assert_eq!(SessionKeys::new(&[8; 32]).open_handle(&sealed, &alice, RESOURCE), None);
            assert!(keys.open_task(&sealed, &alice, RESOURCE).is_err(), "a handle is no task");
        }
        let task = keys.seal_task("t", "tool", &alice, RESOURCE).unwrap();
        assert_eq!(keys.open_handle(&task, &alice, RESOURCE), None, "a task is no handle");
        assert_eq!(keys.seal_handle(&"x".repeat(1000), &alice, RESOURCE), None);
    }
}
