//! [`CredentialsConfig`]: which source the user means, and the building of it.

use std::path::PathBuf;

use super::super::clock::Clock;
use super::super::error::Failure;
use super::default_chain::{DefaultChain, Variables};
use super::instance::{ADDRESS, InstanceProfile};
use super::sts::{AssumedRole, Role, StsPlace};
use super::{Cached, Credentials, Source, Stated};
use crate::{PropertyError, PropertyReader};

const ACCESS_KEY: &[&str] = &["aws.s3.access_key", "fs.s3a.access.key"];
const SECRET_KEY: &[&str] = &["aws.s3.secret_key", "fs.s3a.secret.key"];
const SESSION_TOKEN: &[&str] = &["aws.s3.session_token", "fs.s3a.session.token"];
const INSTANCE_PROFILE: &[&str] = &["aws.s3.use_instance_profile"];
const DEFAULT_CHAIN: &[&str] = &["aws.s3.use_aws_sdk_default_behavior"];
const PROVIDER: &[&str] = &["fs.s3a.aws.credentials.provider"];
const ROLE_ARN: &[&str] = &["aws.s3.iam_role_arn", "fs.s3a.assumed.role.arn"];
const EXTERNAL_ID: &[&str] = &["aws.s3.external_id", "fs.s3a.assumed.role.external.id"];
const SESSION_NAME: &[&str] = &["fs.s3a.assumed.role.session.name"];
const STS_ENDPOINT: &[&str] = &["aws.s3.sts.endpoint", "fs.s3a.assumed.role.sts.endpoint"];
const STS_REGION: &[&str] = &["aws.s3.sts.region", "fs.s3a.assumed.role.sts.endpoint.region"];

const SESSION: &str = "cairn";

/// Where credentials come from. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct CredentialsConfig {
    base: Base,
    role: Option<Role>,
    variables: Variables,
    sts: StsPlace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Base {
    Stated(Credentials),
    InstanceProfile,
    DefaultChain,
}

impl CredentialsConfig {
    pub(in crate::s3) fn read(
        reader: &mut PropertyReader<'_>,
        region: &str,
        ca_file: Option<PathBuf>,
    ) -> Result<Self, PropertyError> {
        let region = reader.text(STS_REGION)?.unwrap_or(region).to_owned();
        let url = reader.text(STS_ENDPOINT)?.or_else(|| reader.variable(&["AWS_ENDPOINT_URL_STS"]));
        let url = url.map_or_else(|| amazon(&region), with_scheme);
        let variables = Variables::read(reader);
        let base = read_base(reader)?;
        let session_name = reader.text(SESSION_NAME)?.unwrap_or(SESSION).to_owned();
        let external_id = reader.secret(EXTERNAL_ID)?;
        let arn = reader.text(ROLE_ARN)?.map(str::to_owned);
        if external_id.is_some() && arn.is_none() {
            return Err(PropertyError::Missing {
                key: ROLE_ARN[0],
                reason: "an external id is for a role",
            });
        }
        let role = arn.map(|arn| Role { arn, external_id, session_name });
        Ok(Self { base, role, variables, sts: StsPlace::new(url, region, ca_file) })
    }

    /// The source that is meant.
    pub(in crate::s3) fn open(&self, clock: &Clock) -> Result<Cached, Failure> {
        let base: Box<dyn Source> = match &self.base {
            Base::Stated(credentials) => Box::new(Stated(credentials.clone())),
            Base::InstanceProfile => {
                let address = self.variables.metadata_address.as_deref().unwrap_or(ADDRESS);
                Box::new(InstanceProfile::new(address)?)
            }
            Base::DefaultChain => {
                Box::new(DefaultChain::new(self.variables.clone(), self.sts.clone(), clock.clone()))
            }
        };
        let base = Cached::new(base, clock.clone());
        let Some(role) = &self.role else { return Ok(base) };
        let sts = self.sts.open(clock)?;
        Ok(Cached::new(Box::new(AssumedRole { sts, role: role.clone(), base }), clock.clone()))
    }
}

fn read_base(reader: &mut PropertyReader<'_>) -> Result<Base, PropertyError> {
    let keys = (reader.text(ACCESS_KEY)?, reader.text(SECRET_KEY)?, reader.text(SESSION_TOKEN)?);
    let wants_profile = reader.flag(INSTANCE_PROFILE)?.unwrap_or(false);
    let wants_chain = reader.flag(DEFAULT_CHAIN)?.unwrap_or(false);
    // Hadoop names a class, and later versions a list of them; the first decides.
    let class = reader.text(PROVIDER)?.and_then(|list| list.split(',').next());
    let class = class.map(|class| class.trim().rsplit('.').next().unwrap_or_default());
    let by_class = match class {
        None
        | Some(
            "SimpleAWSCredentialsProvider"
            | "TemporaryAWSCredentialsProvider"
            | "AssumedRoleCredentialProvider",
        ) => None,
        Some("IAMInstanceCredentialsProvider" | "InstanceProfileCredentialsProvider") => {
            Some(Base::InstanceProfile)
        }
        Some(
            "DefaultAWSCredentialsProviderChain"
            | "DefaultCredentialsProvider"
            | "EnvironmentVariableCredentialsProvider"
            | "WebIdentityTokenCredentialsProvider"
            | "ProfileCredentialsProvider",
        ) => Some(Base::DefaultChain),
        Some(_) => {
            return Err(PropertyError::Invalid {
                key: PROVIDER[0],
                expected: "a provider of simple or temporary keys, of the instance profile, of an assumed role, or the default chain",
            });
        }
    };
    let (access, secret) = (ACCESS_KEY[0], SECRET_KEY[0]);
    match keys {
        (Some(access_key), Some(secret_key), token) => {
            Ok(Base::Stated(Credentials::fixed(access_key, secret_key, token)))
        }
        (Some(_), None, _) => {
            Err(PropertyError::Missing { key: secret, reason: "an access key has a secret key" })
        }
        (None, Some(_), _) => {
            Err(PropertyError::Missing { key: access, reason: "a secret key has an access key" })
        }
        (None, None, Some(_)) => {
            Err(PropertyError::Missing { key: access, reason: "a session token has two keys" })
        }
        _ if wants_profile => Ok(Base::InstanceProfile),
        _ if wants_chain => Ok(Base::DefaultChain),
        _ => Ok(by_class.unwrap_or(Base::DefaultChain)),
    }
}

fn with_scheme(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") }
}

/// Amazon's endpoint of a region.
fn amazon(region: &str) -> String {
    let country = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://sts.{region}.amazonaws.com{country}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyOwner, Properties};

    fn read(pairs: &[(&str, &str)]) -> Result<CredentialsConfig, PropertyError> {
        let properties: Properties = pairs.iter().copied().collect();
        let mut reader = properties.reader();
        let config = CredentialsConfig::read(&mut reader, "r", None)?;
        reader.finish(KeyOwner::S3)?;
        Ok(config)
    }

    #[test]
    fn what_is_said_chooses_the_source() {
        let base = |pairs: &[(&str, &str)]| read(pairs).unwrap().base;
        let keys = [("aws.s3.access_key", "k"), ("fs.s3a.secret.key", "HIDDEN")];
        assert_eq!(base(&keys), Base::Stated(Credentials::fixed("k", "HIDDEN", None)));
        assert!(!format!("{:?}", read(&keys).unwrap()).contains("HIDDEN"));
        assert_eq!(base(&[]), Base::DefaultChain);
        assert_eq!(base(&[("aws.s3.use_instance_profile", "true")]), Base::InstanceProfile);
        let class = "com.amazonaws.auth.InstanceProfileCredentialsProvider";
        assert_eq!(base(&[("fs.s3a.aws.credentials.provider", class)]), Base::InstanceProfile);
    }

    #[test]
    fn a_role_stands_on_top_of_any_source() {
        let config = read(&[("aws.s3.iam_role_arn", "arn"), ("aws.s3.external_id", "e")]).unwrap();
        let external_id = Some(crate::Secret::new("e"));
        assert_eq!(
            config.role,
            Some(Role { arn: "arn".to_owned(), external_id, session_name: "cairn".to_owned() })
        );
        let sts = StsPlace::new("https://sts.r.amazonaws.com".to_owned(), "r".to_owned(), None);
        assert_eq!(config.sts, sts);
    }

    #[test]
    fn halves_are_refused() {
        for half in
            ["aws.s3.access_key", "aws.s3.secret_key", "aws.s3.session_token", "aws.s3.external_id"]
        {
            let error = read(&[(half, "HIDDEN")]).unwrap_err().to_string();
            assert!(error.contains("is missing") && !error.contains("HIDDEN"), "{error}");
        }
    }
}
