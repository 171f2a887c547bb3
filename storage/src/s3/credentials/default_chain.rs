//! [`DefaultChain`]: the places where Amazon's tools look, in their order.
//!
//! Keys of the environment, the web identity that it names, the shared profile, the instance profile. A place that has
//! nothing passes the question on; one that has something it cannot hand out ends it, for the user meant that one.

use std::path::PathBuf;

use async_trait::async_trait;

use super::super::clock::Clock;
use super::instance::{ADDRESS, InstanceProfile};
use super::profile::{self, Profile, ProfileRole, Profiles};
use super::sts::{AssumedRole, Role, StsPlace, WebIdentity};
use super::{Cached, Credentials, CredentialsError, Source, Stated, read_file};
use crate::PropertyReader;

const ENVIRONMENT: &str = "the environment";

/// What the environment says of credentials, as far as the host passed it on.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    keys: Option<Credentials>,
    role_arn: Option<String>,
    session_name: Option<String>,
    token_file: Option<PathBuf>,
    profile: Option<String>,
    credentials_file: Option<PathBuf>,
    config_file: Option<PathBuf>,
    is_metadata_disabled: bool,
    pub(super) metadata_address: Option<String>,
}

impl Variables {
    pub(super) fn read(reader: &PropertyReader<'_>) -> Self {
        let text = |name| reader.variable(&[name]).map(str::to_owned);
        let home = |file: &str| text("HOME").map(|home| PathBuf::from(home).join(file));
        let keys = reader
            .variable(&["AWS_ACCESS_KEY_ID"])
            .zip(reader.variable(&["AWS_SECRET_ACCESS_KEY"]));
        let token = reader.variable(&["AWS_SESSION_TOKEN"]);
        Self {
            keys: keys.map(|(access, secret)| Credentials::fixed(access, secret, token)),
            role_arn: text("AWS_ROLE_ARN"),
            session_name: text("AWS_ROLE_SESSION_NAME"),
            token_file: text("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from),
            profile: text("AWS_PROFILE"),
            credentials_file: text("AWS_SHARED_CREDENTIALS_FILE")
                .map(PathBuf::from)
                .or_else(|| home(".aws/credentials")),
            config_file: text("AWS_CONFIG_FILE").map(PathBuf::from).or_else(|| home(".aws/config")),
            is_metadata_disabled: reader.variable(&["AWS_EC2_METADATA_DISABLED"]) == Some("true"),
            metadata_address: text("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        }
    }
}

/// Asks one place after the other.
#[derive(Debug)]
pub(super) struct DefaultChain {
    variables: Variables,
    sts: StsPlace,
    clock: Clock,
}

impl DefaultChain {
    pub(super) fn new(variables: Variables, sts: StsPlace, clock: Clock) -> Self {
        Self { variables, sts, clock }
    }

    fn environment(&self) -> Result<Box<dyn Source>, CredentialsError> {
        let keys = self.variables.keys.clone();
        let keys = keys.ok_or_else(|| {
            CredentialsError::absent(
                ENVIRONMENT,
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
            )
        })?;
        Ok(Box::new(Stated(keys)))
    }

    fn web_identity(&self) -> Result<Box<dyn Source>, CredentialsError> {
        let found = self.variables.role_arn.as_ref().zip(self.variables.token_file.as_ref());
        let (arn, token_file) = found.ok_or_else(|| {
            CredentialsError::absent(
                "the web identity",
                "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not set",
            )
        })?;
        let session_name = self.variables.session_name.clone();
        let role = ProfileRole { arn: arn.clone(), external_id: None, session_name };
        self.by_token(role, token_file.clone())
    }

    async fn profile(&self) -> Result<Box<dyn Source>, CredentialsError> {
        let read = async |file: &Option<PathBuf>| match file {
            None => Ok(String::new()),
            Some(file) => match read_file(profile::NAME, file.clone()).await {
                Err(CredentialsError::Absent { .. }) => Ok(String::new()),
                read => read,
            },
        };
        let credentials = read(&self.variables.credentials_file).await?;
        let config = read(&self.variables.config_file).await?;
        let name = self.variables.profile.as_deref().unwrap_or("default");
        let found = Profiles::parse(&credentials, &config).find(name);
        match found {
            // Whoever names a profile does not mean another place.
            Err(CredentialsError::Absent { from, reason }) if self.variables.profile.is_some() => {
                Err(CredentialsError::unusable(from, reason))
            }
            found => self.of_profile(found?),
        }
    }

    fn of_profile(&self, profile: Profile) -> Result<Box<dyn Source>, CredentialsError> {
        match profile {
            Profile::Keys { access_key, secret_key, session_token } => {
                Ok(Box::new(Stated(Credentials {
                    access_key,
                    secret_key,
                    session_token,
                    expires: None,
                })))
            }
            Profile::Machine => self.machine(),
            Profile::Environment => self.environment(),
            Profile::WebIdentity { role, token_file } => self.by_token(role, token_file.into()),
            Profile::Role { role, base } => {
                let base = Cached::new(self.of_profile(*base)?, self.clock.clone());
                let sts = self
                    .sts
                    .open(&self.clock)
                    .map_err(|failure| failure.of_credentials(profile::NAME))?;
                Ok(Box::new(AssumedRole { sts, role: named(role), base }))
            }
        }
    }

    fn by_token(
        &self,
        role: ProfileRole,
        token_file: PathBuf,
    ) -> Result<Box<dyn Source>, CredentialsError> {
        let sts = self
            .sts
            .open(&self.clock)
            .map_err(|failure| failure.of_credentials("the web identity"))?;
        Ok(Box::new(WebIdentity { sts, role: named(role), token_file }))
    }

    fn machine(&self) -> Result<Box<dyn Source>, CredentialsError> {
        let from = "the instance profile";
        if self.variables.is_metadata_disabled {
            return Err(CredentialsError::absent(from, "AWS_EC2_METADATA_DISABLED is true"));
        }
        let address = self.variables.metadata_address.as_deref().unwrap_or(ADDRESS);
        let machine =
            InstanceProfile::new(address).map_err(|failure| failure.of_credentials(from))?;
        Ok(Box::new(machine))
    }
}

fn named(role: ProfileRole) -> Role {
    let session_name = role.session_name.unwrap_or_else(|| "cairn".to_owned());
    Role { arn: role.arn, external_id: role.external_id, session_name }
}

#[async_trait]
impl Source for DefaultChain {
    async fn fetch(&self) -> Result<Credentials, CredentialsError> {
        let mut asked = Vec::new();
        let places =
            [self.environment(), self.web_identity(), self.profile().await, self.machine()];
        for place in places {
            let fetched = match place {
                Ok(source) => source.fetch().await,
                Err(error) => Err(error),
            };
            match fetched {
                Err(CredentialsError::Absent { from, reason }) => {
                    asked.push(format!("{from} ({reason})"))
                }
                fetched => return fetched,
            }
        }
        Err(CredentialsError::NoneFound(asked.join(", ")))
    }
}
