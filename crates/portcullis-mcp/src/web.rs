//! Where a service may send people.

use crate::ConfigError;
use crate::edge::Authority;

/// The hosts that the URLs of elicitations may have.
#[derive(Clone, Debug, Default)]
pub(crate) struct UrlHosts(Vec<Authority<'static>>);

impl UrlHosts {
    pub(crate) fn new<T: Into<String>>(
        hosts: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        let hosts = hosts.into_iter().map(|host| {
            let host = host.into();
            Authority::parse(&host).map(Authority::into_owned).ok_or_else(|| {
                ConfigError::new(format!("{host:?} is no host, with or without a port"))
            })
        });
        hosts.collect::<Result<_, _>>().map(Self)
    }

    /// Whether `url` goes to one of the hosts, encrypted, and says so in a way that every reader
    /// understands alike.
    pub(crate) fn allow(&self, url: &str) -> bool {
        const SCHEME: &str = "https://";
        let is_plain = |b: u8| b.is_ascii_graphic() && b != b'\\';
        let Some((scheme, rest)) = url.split_at_checked(SCHEME.len()) else { return false };
        if !scheme.eq_ignore_ascii_case(SCHEME) || !url.bytes().all(is_plain) {
            return false;
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Authority::parse(authority)
            .is_some_and(|authority| self.0.iter().any(|host| host.is(&authority, 443)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    ///
    #[test]
    fn only_listed_hosts_in_plain_spelling() {
        let hosts = UrlHosts::new(["login.example.com", "idp.example.com:8443"]).unwrap();
        for url in [
            "https://login.example.com",
            "https://login.example.com/a?b#c",
            "HTTPS://LOGIN.example.com:443/",
            "https://idp.example.com:8443/x",
        ] {
            assert!(hosts.allow(url), "{url}");
        }
        for url in [
            "http://login.example.com/",
            "javascript:alert(1)//login.example.com",
            "data:text/html,x",
            "//login.example.com/",
            "https:login.example.com",
            "https://user@login.example.com/",
            "https://login.example.com@evil.example/",
            "https://login.example.com:8443/",
            "https://idp.example.com/",
            "https://login.example.com./",
            "https://login.example.com.evil.example/",
            "https://evil.example/login.example.com",
            "https://evil.example\\@login.example.com/",
            "https://login.example.com\\.evil.example/",
            "https://logın.example.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https:///login.example.com",
            " https://login.example.com/",
            "https://login.example.com/\n",
            "",
        ] {
            assert!(!hosts.allow(url), "{url}");
            assert!(!UrlHosts::default().allow(url), "{url}");
        }
        assert!(!UrlHosts::default().allow("https://login.example.com"), "none by default");
    }

    #[test]
    fn hosts_are_hosts() {
        for host in ["", "https://a.example", "a.example/x", "*.a.example", "u@a.example", "a:b"] {
            assert!(UrlHosts::new([host]).is_err(), "{host}");
        }
    }
}
