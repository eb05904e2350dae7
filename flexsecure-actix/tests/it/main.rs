//! The middleware, the extractors and the flow endpoints, as an app sees them and over sockets.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod challenges;
#[cfg(test)]
mod cors;
#[cfg(test)]
mod extractors;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod head;
#[cfg(test)]
mod login_bearer;
#[cfg(test)]
mod login_identity;
#[cfg(test)]
mod login_session;
#[cfg(test)]
mod placement;
#[cfg(test)]
#[cfg(feature = "test-util")]
mod placement_open;
#[cfg(test)]
#[cfg(feature = "test-util")]
mod placement_table;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod server;
#[cfg(test)]
mod support;
#[cfg(test)]
mod websocket;
#[cfg(test)]
mod wire;
