//! [`Endpoint`]: where a bucket answers, and how a request names it.
//!
//! A bucket is part of the host (virtual-host style) unless the user wants it in the path, or it cannot be part of a
//! host: the endpoint is a number or `localhost`, the bucket is no DNS label, or it has a dot and the wildcard
//! certificate of TLS would not cover it. So every name that a service accepted as a bucket works.

use std::net::IpAddr;

/// The address of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    is_https: bool,
    /// Host and, where it is not that of the scheme, port.
    authority: String,
    bucket: String,
    is_path_style: bool,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoEndpoint;

impl Endpoint {
    /// Reads `host`, `host:port`, or either behind a scheme, which then decides on TLS.
    pub(super) fn parse(
        text: &str,
        is_https: bool,
        bucket: &str,
        wants_path_style: bool,
    ) -> Result<Self, NoEndpoint> {
        let (is_https, rest) = match text.split_once("://") {
            None => (is_https, text),
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err(NoEndpoint),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        let (host, port) = split_port(&authority).ok_or(NoEndpoint)?;
        let default = if is_https { 443 } else { 80 };
        let authority = match port {
            Some(port) if port != default => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        // An endpoint that names the bucket itself is understood as well.
        let (authority, is_bucket_named) = match authority.strip_prefix(&format!("{bucket}.")) {
            Some(rest) if rest.contains('.') => (rest.to_owned(), true),
            _ => (authority.clone(), false),
        };
        let host = split_port(&authority).map_or("", |(host, _)| host);
        let fits_host = !is_number(host)
            && host != "localhost"
            && is_dns_name(bucket)
            && !(is_https && bucket.contains('.'));
        let is_path_style = (wants_path_style && !is_bucket_named) || !fits_host;
        Ok(Self { is_https, authority, bucket: bucket.to_owned(), is_path_style })
    }

    pub(super) fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host without the bucket and the port.
    pub(super) fn host(&self) -> &str {
        split_port(&self.authority).map_or("", |(host, _)| host)
    }

    /// Scheme and authority of requests.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}", self.host_header())
    }

    /// What the `Host` header of requests says.
    pub(super) fn host_header(&self) -> String {
        match self.is_path_style {
            true => self.authority.clone(),
            false => format!("{}.{}", self.bucket, self.authority),
        }
    }

    /// The path of a request whose path in path style, encoded, is `path`.
    pub(super) fn path<'a>(&self, path: &'a str) -> &'a str {
        if self.is_path_style {
            return path;
        }
        // A bucket that fits a host needs no encoding.
        let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(&*self.bucket));
        match rest {
            Some("") | None => "/",
            Some(rest) => rest,
        }
    }
}

/// Host and port; brackets belong to the host.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let is_host = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        }
    };
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            is_host(host).then_some((host, Some(port.parse().ok()?)))
        }
        _ => is_host(authority).then_some((authority, None)),
    }
}

fn is_number(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Whether a bucket may stand before a host: labels of lower-case letters, digits and inner hyphens.
fn is_dns_name(bucket: &str) -> bool {
    (3..=63).contains(&bucket.len())
        && bucket.split('.').all(|label| {
            let is_inner =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(is_inner)
        })
}

/// The region that a host of Amazon's names.
pub(super) fn region_of(host: &str) -> Option<&str> {
    let (before, rest) = host.split_once(".amazonaws.com")?;
    if !matches!(rest, "" | ".cn") {
        return None;
    }
    let service = before.rsplit('.').find(|label| label.starts_with("s3"))?;
    let behind = before.rsplit_once('.').map(|(_, last)| last).filter(|last| *last != service);
    let dashed = service.strip_prefix("s3-").filter(|region| region.contains('-'));
    behind.filter(|region| *region != "dualstack").or(dashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str, bucket: &str, path_style: bool) -> String {
        Endpoint::parse(text, true, bucket, path_style).unwrap().origin()
    }

    #[test]
    fn a_bucket_is_part_of_the_host_where_it_can_be() {
        let amazon = "s3.eu-west-1.amazonaws.com";
        assert_eq!(origin(amazon, "bucket", false), "https://bucket.s3.eu-west-1.amazonaws.com");
        for (text, bucket) in [
            ("localhost:9000", "bucket"),
            ("127.0.0.1:9000", "bucket"),
            ("[::1]:9000", "bucket"),
            (amazon, "with_underscore"),
            (amazon, "UPPER"),
            (amazon, "dotted.name"),
            (amazon, "ab"),
        ] {
            assert_eq!(origin(text, bucket, false), format!("https://{text}"), "{bucket}");
        }
        assert_eq!(origin(amazon, "bucket", true), format!("https://{amazon}"));
        assert_eq!(origin("http://a.b", "dotted.name", false), "http://dotted.name.a.b");
        assert_eq!(origin("https://bucket.a.b/", "bucket", true), "https://bucket.a.b");
    }

    #[test]
    fn the_port_of_the_scheme_is_left_out() {
        assert_eq!(origin("https://a.b:443", "bucket", true), "https://a.b");
        assert_eq!(origin("http://a.b:80", "bucket", true), "http://a.b");
        assert_eq!(origin("http://a.b:443", "bucket", true), "http://a.b:443");
    }

    #[test]
    fn the_path_loses_the_bucket_that_is_in_the_host() {
        let of = |path_style| Endpoint::parse("a.b", true, "bucket", path_style).unwrap();
        assert_eq!(of(false).path("/bucket/key%20a"), "/key%20a");
        assert_eq!(of(false).path("/bucket"), "/");
        assert_eq!(of(true).path("/bucket/key"), "/bucket/key");
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "ftp://a",
            "http://",
            "a b",
            "a:port",
            "http://user@a",
            "http://a/path",
            "[::1",
            "a:1:2",
        ] {
            assert_eq!(Endpoint::parse(text, true, "bucket", false), Err(NoEndpoint), "{text}");
        }
    }

    #[test]
    fn hosts_of_amazon_tell_their_region() {
        for (host, region) in [
            ("s3.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("s3-eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("s3.dualstack.us-west-2.amazonaws.com", Some("us-west-2")),
            ("s3.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("s3.amazonaws.com", None),
            ("storage.example.com", None),
        ] {
            assert_eq!(region_of(host), region, "{host}");
        }
    }
}
