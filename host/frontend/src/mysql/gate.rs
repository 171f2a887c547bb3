//! The gate: a login, from the greeting to the OK packet.
//!
//! - A client has ten seconds for its part; what it sends is bounded before it is read.
//! - How it proves itself is settled from the plugin that it names: `mysql_native_password` and `caching_sha2_password`
//!   are taken as they come, any other is switched to the former. The password itself is asked for inside TLS only.
//! - A user that does not exist is asked and judged like one that does, by hashes of a password that nobody knows.
//! - Where TLS is required, who comes without it is told so before its password is looked at.
//! - An attempt waits for its turn ([`throttle`](super::throttle)) and is judged then, by the account as it was when it was
//!   asked; whether that account is still the same is for the service to say.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ring::error::Unspecified;
use ring::rand::SystemRandom;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::auth::{self, Proof, Proofs, Salt};
use super::capability::Capabilities;
use super::error::{self, WireError};
use super::handshake::{self, Greeting, LoginRequest, NATIVE, Reply, SHA2};
use super::interrupt::Interrupt;
use super::packet::Malformed;
use super::result::{self, AUTOCOMMIT};
use super::service::{Account, Login, Service, SqlError};
use super::throttle::Throttle;
use super::wire::Wire;

/// The longest packet of a login: names, proofs and the 64 KiB that connection attributes may take.
const LONGEST_PACKET: usize = 68 << 10;

/// Judges logins.
pub(super) struct Gate<S> {
    service: Arc<S>,
    version: String,
    tls: Option<TlsAcceptor>,
    require_tls: bool,
    patience: Duration,
    throttle: Arc<Throttle>,
    random: SystemRandom,
    /// Stands in for users that do not exist.
    nobody: Proofs,
}

/// What a gate is made of.
pub(super) struct GateConfig {
    pub(super) version: String,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) require_tls: bool,
    pub(super) patience: Duration,
    pub(super) throttle: Arc<Throttle>,
}

/// Who stands at the gate.
pub(super) struct Visitor {
    pub(super) peer: SocketAddr,
    pub(super) connection_id: u32,
    pub(super) interrupt: Interrupt,
}

/// A client that has come through.
pub(super) struct Admitted<T> {
    pub(super) wire: Wire,
    pub(super) capabilities: Capabilities,
    /// Its name.
    pub(super) user: String,
    pub(super) session: T,
}

/// What a login asked for and what it showed.
struct Claim {
    capabilities: Capabilities,
    user: String,
    database: Option<String>,
    tls: bool,
    /// None where the user does not exist.
    account: Option<Account>,
    salt: Salt,
    /// None is one that no password fits.
    proof: Option<Proof>,
}

/// Why a client did not come through.
pub(super) enum Refusal {
    /// It is told.
    Told(Wire, SqlError),
    /// It is gone, or talks nonsense.
    Silent(WireError),
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        Self::Silent(error)
    }
}

impl<S: Service> Gate<S> {
    pub(super) fn new(service: Arc<S>, config: GateConfig) -> Result<Self, Unspecified> {
        let GateConfig { version, tls, require_tls, patience, throttle } = config;
        let random = SystemRandom::new();
        let nobody = Proofs::of_nobody(&random)?;
        Ok(Self { service, version, tls, require_tls, patience, throttle, random, nobody })
    }

    /// Leads a login. After an admission the OK packet is still to be written.
    pub(super) async fn admit(
        &self,
        wire: Wire,
        visitor: Visitor,
    ) -> Result<Admitted<S::Session>, Refusal> {
        let asking = self.ask(wire, &visitor);
        let (mut wire, claim) = timeout(self.patience, asking)
            .await
            .map_err(|_| WireError::Stalled(self.patience))??;
        let peer = visitor.peer.ip();
        let Some(is_right) = self.judge(&claim, peer).await else {
            return Err(Refusal::Told(wire, error::too_many_attempts(&claim.user, peer)));
        };
        let Some(account) = claim.account.filter(|_| is_right) else {
            let with_password = claim.proof != Some(Proof::Absent);
            tracing::info!(user = ?claim.user, peer = %visitor.peer, "access denied");
            return Err(Refusal::Told(
                wire,
                error::access_denied(&claim.user, peer, with_password),
            ));
        };
        if matches!(claim.proof, Some(Proof::Sha2(_))) {
            wire.write(handshake::put_fast_login);
        }
        let login = Login {
            account,
            database: claim.database,
            peer: visitor.peer,
            connection_id: visitor.connection_id,
            tls: claim.tls,
            interrupt: visitor.interrupt,
        };
        match self.service.open(login) {
            Ok(session) => {
                let Claim { capabilities, user, .. } = claim;
                Ok(Admitted { wire, capabilities, user, session })
            }
            Err(error) => Err(Refusal::Told(wire, error)),
        }
    }

    /// Whether a proof is right, when its turn has come; none where too many are before it.
    async fn judge(&self, claim: &Claim, peer: IpAddr) -> Option<bool> {
        let is_right = || {
            let judge = claim.account.as_ref().map_or(self.nobody, |account| account.proofs);
            let accepted =
                claim.proof.as_ref().is_some_and(|proof| judge.accept(proof, &claim.salt));
            accepted && claim.account.is_some()
        };
        self.throttle.judge(peer.into(), &claim.user, is_right).await
    }

    /// Hears who the client is and lets it prove itself, whatever that proof is worth.
    async fn ask(&self, mut wire: Wire, visitor: &Visitor) -> Result<(Wire, Claim), Refusal> {
        let offered = Capabilities::of_server(self.tls.is_some());
        let Ok(salt) = auth::new_salt(&self.random) else {
            let error = SqlError::new(1105, "HY000", "the system has no random numbers");
            return Err(Refusal::Told(wire, error));
        };
        let greeting = Greeting {
            version: &self.version,
            connection_id: visitor.connection_id,
            capabilities: offered,
            status: AUTOCOMMIT,
            salt: &salt,
        };
        wire.write(|out| greeting.put(out));
        wire.flush().await?;

        let mut packet = wire.read(LONGEST_PACKET).await?;
        let mut tls = false;
        if let (Some(acceptor), Ok(Reply::StartTls)) = (&self.tls, Reply::parse(&packet)) {
            wire = wire.secure(acceptor).await?;
            packet = wire.read(LONGEST_PACKET).await?;
            tls = true;
        }
        let request = match Reply::parse(&packet) {
            Ok(Reply::Login(request)) => request,
            Ok(Reply::StartTls) => return Err(told(wire, &Malformed("TLS cannot begin here"))),
            Err(why) => return Err(told(wire, &why)),
        };
        // Before anything is asked that would then be seen by others.
        if self.require_tls && !tls {
            return Err(Refusal::Told(wire, error::tls_required()));
        }
        let account = self.service.account(request.user, visitor.peer.ip());
        let judge = account.as_ref().map_or(self.nobody, |account| account.proofs);
        let proof = prove(&mut wire, &request, &judge, &salt, tls).await?;
        let claim = Claim {
            capabilities: request.capabilities.and(offered),
            user: request.user.to_owned(),
            database: request.database.map(str::to_owned),
            tls,
            account,
            salt,
            proof,
        };
        Ok((wire, claim))
    }
}

fn told(wire: Wire, why: &Malformed) -> Refusal {
    Refusal::Told(wire, error::bad_handshake(why))
}

/// Lets the client show that it knows the password, asking again where what it sent is of no use.
async fn prove(
    wire: &mut Wire,
    request: &LoginRequest<'_>,
    judge: &Proofs,
    salt: &Salt,
    tls: bool,
) -> Result<Option<Proof>, WireError> {
    let plugin = request.plugin.unwrap_or(NATIVE);
    let by_sha2 = plugin == SHA2 && (judge.sha2.is_some() || judge.is_empty() || tls);
    let wanted = if by_sha2 { SHA2 } else { NATIVE };
    // The greeting was for the native plugin: a client of another one may have sent nothing and wait for its turn.
    let in_vain = plugin != wanted || (plugin == SHA2 && is_absent(request.answer));
    let switched;
    let answer = if in_vain && request.plugin.is_some() {
        wire.write(|out| handshake::put_switch(out, wanted, salt));
        wire.flush().await?;
        switched = wire.read(LONGEST_PACKET).await?;
        switched.as_slice()
    } else {
        request.answer
    };
    if is_absent(answer) {
        return Ok(Some(Proof::Absent));
    }
    if !by_sha2 {
        return Ok(answer.try_into().ok().map(Proof::Native));
    }
    if judge.sha2.is_some() || judge.is_empty() {
        return Ok(answer.try_into().ok().map(Proof::Sha2));
    }
    wire.write(handshake::put_full_login);
    wire.flush().await?;
    let password = wire.read(LONGEST_PACKET).await?;
    let password = password.strip_suffix(&[0]).unwrap_or(&password);
    Ok(str::from_utf8(password).ok().map(|password| Proof::Clear(password.to_owned())))
}

/// Whether an answer says that there is no password.
fn is_absent(answer: &[u8]) -> bool {
    matches!(answer, [] | [0])
}

/// Tells a client why it does not come through.
pub(super) async fn refuse(mut wire: Wire, error: &SqlError) {
    wire.write(|out| result::put_error(out, error));
    wire.farewell().await;
}
