//! `auth …`: a person logs the gateway in to a server, for one agent. The browser comes back to a
//! port of this command's on this machine; the code goes to the monitor, which alone gets the token.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ringfence_monitor::client::Client;
use ringfence_monitor::protocol::{Answer, Request, Secret};
use serde_json::Value;

use crate::cli::{AuthCommand, Global, LoginArgs, OneLogin};
use crate::command::member;
use crate::config::find;
use crate::fault::{Ending, Fault};
use crate::output::{self, Cell, Table, paint, plain};
use crate::{operator, reach};

/// How long a person has.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How long one connection may take to say what it wants.
const ARRIVAL: Duration = Duration::from_secs(5);
/// The longest first line of a request, in bytes.
const MAX_LINE: u64 = 16 * 1024;
/// The path that the browser comes back to.
const PATH: &str = "/callback";

pub(crate) fn run(global: &Global, command: &AuthCommand) -> Result<Ending, Fault> {
    match command {
        AuthCommand::Login(asked) => login(global, asked),
        AuthCommand::List => list(global),
        AuthCommand::Logout(what) => logout(global, what),
    }
}

fn login(global: &Global, asked: &LoginArgs) -> Result<Ending, Fault> {
    let agent = agent(global, &asked.what)?;
    let mut client = reach::operated(global)?;
    let token = operator::token(&mut client, &asked.what.operator)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, asked.port)).map_err(|error| {
        Fault::from(error)
            .while_trying(format!("listening on port {} for the browser", asked.port))
            .help("name another with --port")
    })?;
    let address = listener.local_addr()?;
    let begun = reach::ask(
        &mut client,
        &Request::LoginBegin {
            operator: token.clone(),
            server: asked.what.server.clone(),
            agent: agent.clone(),
            redirect: format!("http://{address}{PATH}"),
            scopes: (!asked.scope.is_empty()).then(|| asked.scope.clone()),
        },
    )?;
    output::aside(format_args!("Open this page and log in; this waits for ten minutes:"));
    output::aside(format_args!("  {}", plain(&member(&begun, "page"))));
    let done = wait(&listener, &mut client, &token, &member(&begun, "login"))?;
    if global.json {
        output::json_line(&done)?;
    } else {
        let until = match member(&done, "expires") {
            text if text.is_empty() => String::new(),
            text => format!(", until {text}"),
        };
        output::line(format_args!(
            "{} {} at {}, with {}{until}",
            paint::good("logged in:"),
            plain(&agent),
            plain(&asked.what.server),
            plain(&member(&done, "issuer")),
        ))?;
    }
    Ok(Ending::Done)
}

/// Until the browser comes back with what belongs to this login. Anybody on this machine can connect,
/// and a page can make a browser do it: whatever else comes leaves the login open.
fn wait(listener: &TcpListener, client: &mut Client, operator: &Secret, login: &str) -> Result<Value, Fault> {
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let query = match query(&mut stream) {
            Ok(Some(query)) => query,
            Ok(None) => {
                tell(&mut stream, "404 Not Found", "There is nothing here.");
                continue;
            }
            Err(error) => {
                tracing::debug!(%error, "a connection said nothing");
                continue;
            }
        };
        let request =
            Request::LoginEnd { operator: operator.clone(), login: login.to_owned(), query: Secret(query) };
        match client.ask(&request)? {
            Answer::Done(Value::Null) => {
                tell(&mut stream, "400 Bad Request", "This does not belong to the login that is waited for.");
            }
            Answer::Done(done) => {
                tell(&mut stream, "200 OK", "You are logged in. This page can be closed.");
                return Ok(done);
            }
            Answer::No(reason) => {
                tell(&mut stream, "403 Forbidden", "The login failed; the terminal says why.");
                return Err(Fault::no(reason));
            }
            Answer::Failed(reason) => {
                tell(&mut stream, "502 Bad Gateway", "The login failed; the terminal says why.");
                return Err(Fault::cannot(reason));
            }
            Answer::Exited { .. } | Answer::Notice(_) => {
                return Err(Fault::cannot("the monitor answered something else"));
            }
        }
    }
    Err(Fault::cannot("nobody logged in within ten minutes").help("run it again"))
}

/// The query of a `GET /callback?…`.
fn query(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(ARRIVAL))?;
    stream.set_write_timeout(Some(ARRIVAL))?;
    let mut line = Vec::new();
    BufReader::new(&mut *stream).take(MAX_LINE).read_until(b'\n', &mut line)?;
    let line = String::from_utf8_lossy(&line).into_owned();
    let target = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next());
    Ok(target.and_then(|target| target.strip_prefix(PATH)?.strip_prefix('?')).map(str::to_owned))
}

/// Nothing that came with the request is repeated on the page.
fn tell(stream: &mut TcpStream, status: &str, message: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{message}",
        message.len()
    );
    if let Err(error) = stream.write_all(answer.as_bytes()) {
        tracing::debug!(%error, "the browser was not answered");
    }
}

fn list(global: &Global) -> Result<Ending, Fault> {
    let mut client = reach::operated(global)?;
    let logins = reach::ask(&mut client, &Request::LoginList)?;
    if global.json {
        output::document(&logins)?;
        return Ok(Ending::Done);
    }
    let mut table = Table::new(&["SERVER", "AGENT", "ISSUER", "SCOPES", "UNTIL", "RENEWS"]);
    for login in logins.as_array().into_iter().flatten() {
        let columns = ["server", "agent", "issuer", "scopes", "expires", "renews"];
        table.row(columns.map(|key| Cell::new(member(login, key))));
    }
    table.print_or("The gateway is logged in nowhere.")?;
    Ok(Ending::Done)
}

fn logout(global: &Global, what: &OneLogin) -> Result<Ending, Fault> {
    let agent = agent(global, what)?;
    let mut client = reach::operated(global)?;
    let operator = operator::token(&mut client, &what.operator)?;
    let request = Request::LoginForget { operator, server: what.server.clone(), agent: agent.clone() };
    let done = reach::ask(&mut client, &request)?;
    if done.get("forgotten") != Some(&Value::Bool(true)) {
        return Err(Fault::no(format!("`{agent}` is not logged in to `{}`", what.server)));
    }
    if global.json {
        output::json_line(&done)?;
    } else {
        output::line(format_args!(
            "{} {} at {}",
            paint::good("forgotten:"),
            plain(&agent),
            plain(&what.server)
        ))?;
    }
    Ok(Ending::Done)
}

/// Whose login it is, where there is no doubt.
fn agent(global: &Global, what: &OneLogin) -> Result<String, Fault> {
    if let Some(agent) = &what.agent {
        return Ok(agent.clone());
    }
    let config = find::read(global)?;
    let named: Vec<String> = config
        .iter()
        .flat_map(|config| {
            let agents = config.agents.iter().map(|agent| agent.id.to_string());
            agents.chain(config.anonymous.iter().map(ToString::to_string))
        })
        .collect();
    match named.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(Fault::cannot("it is not clear for which agent").help("name it with --agent")),
    }
}
