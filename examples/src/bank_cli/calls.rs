use std::time::Duration;

use flexsecure_core::client::StepUpClient;
use reqwest::header::{COOKIE, HeaderValue, SET_COOKIE};
use reqwest::{Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Arguments, CliError, Wish};

#[derive(Deserialize)]
struct Holding {
    balance: String,
}

#[derive(Deserialize)]
struct Statements {
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    month: String,
}

#[derive(Deserialize)]
struct Receipt {
    id: u64,
    to: String,
    amount: String,
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// Logs in and carries out the wish; the result is for people to read.
pub(super) async fn carry_out(
    arguments: &Arguments,
    client: &StepUpClient,
) -> Result<String, CliError> {
    let at = |path| at(&arguments.url, path);
    let user = json!({ "user": arguments.user });
    let login = client.http().post(at("/login")?).json(&user).timeout(LONGEST).build()?;
    let cookie = session(&succeeded(client.send(login).await?).await?)?;

    let request = match &arguments.wish {
        Wish::Balance => client.http().get(at("/balance")?),
        Wish::Statements => client.http().get(at("/statements")?),
        Wish::Transfer { to, amount } => {
            client.http().post(at("/transfers")?).json(&json!({ "to": to, "amount": amount }))
        }
    };
    let request = request.header(COOKIE, cookie).timeout(LONGEST).build()?;
    let response = succeeded(client.send(request).await?).await?; // step-up
    let result = match &arguments.wish {
        Wish::Balance => read::<Holding>(response).await?.balance,
        Wish::Statements => {
            let list = read::<Statements>(response).await?.statements;
            list.into_iter().map(|statement| statement.month).collect::<Vec<_>>().join("\n")
        }
        Wish::Transfer { .. } => {
            let Receipt { id, to, amount } = read(response).await?;
            format!("transfer {id}: {amount} EUR to {to}")
        }
    };
    Ok(printable(&result))
}

fn at(bank: &Url, path: &str) -> Result<Url, CliError> {
    bank.join(path).map_err(|_| CliError::Bank("--url is no address of a bank".to_owned()))
}

fn session(login: &Response) -> Result<HeaderValue, CliError> {
    let set = login.headers().get(SET_COOKIE).and_then(|header| header.to_str().ok());
    let cookie = set.and_then(|set| set.split(';').next()).ok_or(CliError::Malformed)?;
    let mut cookie = HeaderValue::from_str(cookie).map_err(|_| CliError::Malformed)?;
    cookie.set_sensitive(true);
    Ok(cookie)
}

/// `response`, or what the bank says against the request.
async fn succeeded(response: Response) -> Result<Response, CliError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let detail = read::<Problem>(response).await.map(|problem| printable(&problem.detail));
    Err(CliError::Bank(detail.unwrap_or_else(|_| format!("the bank answers with {status}"))))
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, CliError> {
    response.json().await.map_err(|_| CliError::Malformed)
}

/// Nothing that a bank says is to move the cursor.
fn printable(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// For an answer, not for a proof.
const LONGEST: Duration = Duration::from_secs(30);
