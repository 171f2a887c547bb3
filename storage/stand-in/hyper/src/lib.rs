//! Stands in for hyper 0.14 below rusoto.
//!
//! Cairn takes rusoto as the builder of requests and the parser of answers, and sends them itself
//! (`storage/src/s3/transport.rs`). The HTTP client that rusoto brings would come with HTTP/2 and a TLS stack that
//! nobody maintains. This crate has the few names of hyper 0.14 that rusoto compiles against and nothing behind
//! them: bodies drop what they are given, and a client refuses every request. Nothing below rusoto can open a
//! connection.
//!
//! The workspace's `[patch.crates-io]` puts it into the place of the real one. A workspace that embeds Cairn without
//! repeating that entry gets the real hyper 0.14, which works as well and is not called either.

use std::error;
use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
pub use http::{Request, Response, Uri};

pub use client::Client;

/// The refusal of every request.
#[derive(Debug)]
pub struct Error(());

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the HTTP client of rusoto is not built in")
    }
}

impl error::Error for Error {}

/// A body without bytes: it drops what it is given.
#[derive(Debug, Default)]
pub struct Body(());

impl Body {
    /// A body.
    pub fn empty() -> Self {
        Self(())
    }

    /// A body that drops the stream.
    pub fn wrap_stream<S>(_stream: S) -> Self {
        Self(())
    }
}

impl From<Bytes> for Body {
    fn from(_bytes: Bytes) -> Self {
        Self(())
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

pub mod client {
    //! The client that refuses.

    use std::marker::PhantomData;
    use std::time::Duration;

    use super::{Body, Error, Ready, Request, Response, ready};

    /// Opens nothing.
    #[derive(Debug, Clone, Default)]
    pub struct HttpConnector(());

    pub mod connect {
        //! What opens connections.

        /// Opens connections, would there be any.
        pub trait Connect {}

        impl Connect for super::HttpConnector {}
    }

    /// Refuses every request.
    #[derive(Debug)]
    pub struct Client<C = HttpConnector, B = Body>(PhantomData<fn(C, B)>);

    impl<C, B> Clone for Client<C, B> {
        fn clone(&self) -> Self {
            Self(PhantomData)
        }
    }

    impl Client {
        /// A client.
        #[expect(clippy::new_without_default, reason = "hyper has none, and nobody calls it")]
        pub fn new() -> Self {
            Self(PhantomData)
        }

        /// A builder of clients.
        pub fn builder() -> Builder {
            Builder(())
        }
    }

    impl<C, B> Client<C, B> {
        /// Refuses a request.
        pub fn request(&self, _request: Request<B>) -> Ready<Result<Response<Body>, Error>> {
            ready(Err(Error(())))
        }
    }

    /// Builds a [`Client`]; settings change nothing.
    #[derive(Debug, Clone, Default)]
    pub struct Builder(());

    impl Builder {
        /// Changes nothing.
        pub fn http1_read_buf_exact_size(&mut self, _bytes: usize) -> &mut Self {
            self
        }

        /// Changes nothing.
        pub fn pool_idle_timeout(&mut self, _timeout: impl Into<Option<Duration>>) -> &mut Self {
            self
        }

        /// The client.
        pub fn build<C, B>(&self, _connector: C) -> Client<C, B> {
            Client(PhantomData)
        }
    }
}
