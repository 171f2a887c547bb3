//! [`Profiles`]: the shared files of Amazon's tools, `~/.aws/credentials` and `~/.aws/config`.
//!
//! Pure: it reads texts. What a profile may say is static keys, a role on top of another profile or of the machine's,
//! or a web identity. A program that prints credentials is not run.

use std::collections::BTreeMap;

use super::CredentialsError;
use crate::Secret;

pub(super) const NAME: &str = "the shared profile";

/// A chain of profiles longer than this is a circle.
const MAX_DEPTH: usize = 5;

type Section = BTreeMap<String, String>;

/// Both files, by the name of the profile.
#[derive(Debug, Default)]
pub(super) struct Profiles(BTreeMap<String, Section>);

/// What a profile comes down to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Profile {
    Keys { access_key: String, secret_key: Secret, session_token: Option<Secret> },
    Machine,
    Environment,
    WebIdentity { role: ProfileRole, token_file: String },
    Role { role: ProfileRole, base: Box<Self> },
}

/// A role as a profile names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProfileRole {
    pub(super) arn: String,
    pub(super) external_id: Option<Secret>,
    pub(super) session_name: Option<String>,
}

impl Profiles {
    /// Reads the two files. In the second a profile is called `[profile name]`, the default one excepted.
    pub(super) fn parse(credentials: &str, config: &str) -> Self {
        let mut profiles = Self::default();
        profiles.add(config, |section| match section.strip_prefix("profile ") {
            Some(name) => Some(name.trim()),
            None => (section == "default").then_some(section),
        });
        // What both files say of a profile, the credentials say with more right.
        profiles.add(credentials, |section| Some(section));
        profiles
    }

    fn add(&mut self, text: &str, name_of: impl Fn(&str) -> Option<&str>) {
        let mut current = None;
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                current = name_of(section.trim()).map(str::to_owned);
            } else if let (Some(name), Some((key, value))) = (&current, line.split_once('=')) {
                let section = self.0.entry(name.clone()).or_default();
                section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
        }
    }

    /// What the profile of a name comes down to.
    pub(super) fn find(&self, name: &str) -> Result<Profile, CredentialsError> {
        self.resolve(name, 0)
    }

    fn resolve(&self, name: &str, depth: usize) -> Result<Profile, CredentialsError> {
        let unusable =
            |what: &str| CredentialsError::unusable(NAME, format!("profile {name}: {what}"));
        let Some(section) = self.0.get(name) else {
            return Err(CredentialsError::absent(NAME, format!("there is no profile {name}")));
        };
        if depth > MAX_DEPTH {
            return Err(unusable("its source profiles go round in a circle"));
        }
        let text = |key: &str| section.get(key).filter(|value| !value.is_empty()).cloned();
        let keys = || -> Result<Option<Profile>, CredentialsError> {
            match (text("aws_access_key_id"), text("aws_secret_access_key")) {
                (Some(access_key), Some(secret_key)) => Ok(Some(Profile::Keys {
                    access_key,
                    secret_key: Secret::new(secret_key),
                    session_token: text("aws_session_token").map(Secret::new),
                })),
                (None, None) => Ok(None),
                _ => Err(unusable("one of its two keys is missing")),
            }
        };
        let Some(arn) = text("role_arn") else {
            let nothing = match text("credential_process") {
                Some(_) => "credential_process is not supported",
                None => "it holds no keys and no role",
            };
            return keys()?.ok_or_else(|| {
                CredentialsError::absent(NAME, format!("profile {name}: {nothing}"))
            });
        };
        let role = ProfileRole {
            arn,
            external_id: text("external_id").map(Secret::new),
            session_name: text("role_session_name"),
        };
        if let Some(token_file) = text("web_identity_token_file") {
            return Ok(Profile::WebIdentity { role, token_file });
        }
        let base = match (text("source_profile"), text("credential_source").as_deref()) {
            // A profile may name itself: its own keys are meant.
            (Some(source), _) if source == name => {
                keys()?.ok_or_else(|| unusable("it names itself as source and holds no keys"))?
            }
            (Some(source), _) => self.resolve(&source, depth + 1)?,
            (None, Some("Ec2InstanceMetadata")) => Profile::Machine,
            (None, Some("Environment")) => Profile::Environment,
            (None, Some(_)) => return Err(unusable("its credential_source is not supported")),
            (None, None) => {
                return Err(unusable("a role needs source_profile or credential_source"));
            }
        };
        Ok(Profile::Role { role, base: Box::new(base) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(access_key: &str) -> Profile {
        let secret_key = Secret::new("s");
        Profile::Keys { access_key: access_key.to_owned(), secret_key, session_token: None }
    }

    const CREDENTIALS: &str = "\
        # a comment\n[default]\naws_access_key_id = k1\naws_secret_access_key=s\n\
        [other]\naws_access_key_id=k2\naws_secret_access_key=s\n[half]\naws_access_key_id=k3\n";
    const CONFIG: &str = "\
        [default]\nregion = r\n[profile role]\nrole_arn = arn\nsource_profile = other\nexternal_id = e\n\
        [profile machine]\nrole_arn = arn\ncredential_source = Ec2InstanceMetadata\n\
        [profile web]\nrole_arn = arn\nweb_identity_token_file = /t\n\
        [profile round]\nrole_arn = arn\nsource_profile = round2\n[profile round2]\nrole_arn=arn\nsource_profile = round\n\
        [profile program]\ncredential_process = x\n[other]\naws_access_key_id = wrong\n";

    fn find(name: &str) -> Result<Profile, CredentialsError> {
        Profiles::parse(CREDENTIALS, CONFIG).find(name)
    }

    fn role(external_id: Option<&str>) -> ProfileRole {
        ProfileRole {
            arn: "arn".to_owned(),
            external_id: external_id.map(Secret::new),
            session_name: None,
        }
    }

    #[test]
    fn a_profile_is_put_together_from_both_files() {
        assert_eq!(find("default").unwrap(), keys("k1"));
        assert_eq!(find("other").unwrap(), keys("k2"));
        let base = Box::new(keys("k2"));
        assert_eq!(find("role").unwrap(), Profile::Role { role: role(Some("e")), base });
        let base = Box::new(Profile::Machine);
        assert_eq!(find("machine").unwrap(), Profile::Role { role: role(None), base });
        let token_file = "/t".to_owned();
        assert_eq!(find("web").unwrap(), Profile::WebIdentity { role: role(None), token_file });
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (name, why) in [
            ("none", "there is no profile none"),
            ("half", "one of its two keys is missing"),
            ("round", "circle"),
            ("program", "credential_process is not supported"),
        ] {
            let error = find(name).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
