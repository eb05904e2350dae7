use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};

use super::{AppState, Reply};
use crate::{Receipt, ReceiptError, ReceiptStatus, challenge::ServiceError};

/// A provider tells what became of a message. Whoever is not known to send receipts is told nothing but that.
pub(super) async fn receive(
    State(state): State<AppState>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Reply> {
    let challenges = &state.server.inner.challenges;
    let secrets = challenges.courier.providers.receipt_secrets(&provider);
    let now = challenges.clock.now();
    let receipt = match Receipt::verify(secrets, &headers, &body, now) {
        Ok(receipt) => receipt,
        Err(ReceiptError::Body) => {
            return Err(Reply::BadRequest("the body is no receipt of a message"));
        }
        Err(ReceiptError::Headers | ReceiptError::Time | ReceiptError::Signature) => {
            return Err(Reply::UnknownKey);
        }
    };
    let is_delivered = receipt.status == ReceiptStatus::Delivered;
    let told = challenges.store.receipt(&provider, &receipt.reference, is_delivered, now).await;
    match told {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        // It may have come before the answer that gave the message its name: then it comes again.
        Ok(false) => Err(Reply::NotFound),
        Err(error) => Err(ServiceError::from(error).into()),
    }
}
