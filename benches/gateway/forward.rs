//! A proxy that hands everything on as it is: the least that a proxy of hyper can cost.

use http::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::http::listen;

pub async fn run(address: &str, server: &str) {
    let server: Uri = server.parse().unwrap();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    listen(address, move |mut request| {
        *request.uri_mut() = server.clone();
        let answered = client.request(request);
        async move { answered.await.unwrap() }
    })
    .await;
}
