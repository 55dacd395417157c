//! Where a server of this program listens.

use std::error::Error;
use std::net::Ipv4Addr;

use axum::Router;

/// Serves on a free port, which it prints, until it is killed.
pub async fn listen(app: Router) -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Not setting it costs time and nothing else.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}
