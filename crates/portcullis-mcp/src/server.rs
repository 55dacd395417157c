//! What a service may send to its client unasked (requirements 2.3, 2.4).

use portcullis_core::{Era, Version};

use crate::config::ServerRequests;

/// Whether a service may send the request `method` on a stream of `version`.
pub(crate) fn may_request(allowed: ServerRequests, version: Version, method: &str) -> bool {
    if version.era() == Era::Modern {
        return false;
    }
    match method {
        "ping" => true,
        "sampling/createMessage" => allowed.sampling,
        "roots/list" => allowed.roots,
        "elicitation/create" => allowed.elicitation && version >= Version::V2025_06_18,
        _ => false,
    }
}

/// Whether a service may send the notification `method` on a stream of `version`, other than one
/// opened by `subscriptions/listen`.
pub(crate) fn may_notify(version: Version, method: &str) -> bool {
    let legacy = version.era() == Era::Legacy;
    match method {
        "notifications/progress" | "notifications/message" => true,
        "notifications/cancelled"
        | "notifications/resources/updated"
        | "notifications/resources/list_changed"
        | "notifications/tools/list_changed"
        | "notifications/prompts/list_changed" => legacy,
        "notifications/elicitation/complete" | "notifications/tasks/status" => {
            version == Version::V2025_11_25
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: ServerRequests = ServerRequests { sampling: true, roots: true, elicitation: true };
    const NONE: ServerRequests =
        ServerRequests { sampling: false, roots: false, elicitation: false };

    #[test]
    fn servers_ask_what_the_revision_and_the_deployment_allow() {
        for (method, since) in [
            ("ping", Version::V2025_03_26),
            ("sampling/createMessage", Version::V2025_03_26),
            ("roots/list", Version::V2025_03_26),
            ("elicitation/create", Version::V2025_06_18),
        ] {
            for version in Version::ALL {
                let defined = version.era() == Era::Legacy && version >= since;
                assert_eq!(may_request(ALL, version, method), defined, "{method} {version}");
                let switched_off = defined && method == "ping";
                assert_eq!(may_request(NONE, version, method), switched_off, "{method} {version}");
            }
        }
        assert!(!may_request(ALL, Version::V2025_11_25, "tasks/get"));
    }

    #[test]
    fn unknown_notifications_stay_behind() {
        assert!(may_notify(Version::V2025_11_25, "notifications/tasks/status"));
        assert!(!may_notify(Version::V2025_06_18, "notifications/tasks/status"));
        assert!(!may_notify(Version::V2025_11_25, "vendor/tools"));
        assert!(!may_notify(Version::V2026_07_28, "notifications/tools/list_changed"));
        assert!(may_notify(Version::V2026_07_28, "notifications/progress"));
    }
}
