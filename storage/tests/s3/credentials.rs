//! Credentials from everywhere: metadata and token services that follow a script, and what the bucket then sees.

use std::time::{Duration, SystemTime};

use cairn_storage::{ByteRange, ErrorKind, Properties, S3Config, S3Storage, Storage};

use crate::scripted::{Reply, Scripted, Seen};
use crate::{path, told};

/// A bucket by its endpoint, properties and variables, without stated keys.
fn bucket(endpoint: &str, said: &[(&str, &str)], found: &[(&str, &str)]) -> S3Storage {
    let mut properties: Properties = said.iter().copied().collect();
    properties.insert("aws.s3.endpoint", endpoint);
    let properties = properties.with_environment(found.iter().copied());
    S3Storage::new(S3Config::new("bucket", "", &properties).unwrap()).unwrap()
}

async fn objects() -> Scripted {
    Scripted::always(Reply::object("abc")).await
}

async fn read(storage: &S3Storage) {
    assert_eq!(storage.get(&path("a"), ByteRange::Full).await.unwrap(), "abc");
}

/// Who signed a request.
fn signer(seen: &Seen) -> String {
    let credential = seen.header("authorization").split_once("Credential=").unwrap().1;
    credential.split('/').next().unwrap().to_owned()
}

fn in_secs(secs: u64) -> String {
    #[expect(clippy::disallowed_methods, reason = "services state when their keys expire")]
    let now = SystemTime::now();
    humantime::format_rfc3339_seconds(now + Duration::from_secs(secs)).to_string()
}

fn role_keys(number: usize, lives_secs: u64) -> Reply {
    let expiration = in_secs(lives_secs);
    Reply::new(
        200,
        format!(
            "{{\"Code\":\"Success\",\"AccessKeyId\":\"AK{number}\",\"SecretAccessKey\":\"s\",\"Token\":\"t{number}\",\"Expiration\":\"{expiration}\"}}"
        ),
    )
}

fn sts_keys(lives_secs: u64) -> Reply {
    let expiration = in_secs(lives_secs);
    Reply::new(
        200,
        format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASSUMED</AccessKeyId>\
         <SecretAccessKey>s</SecretAccessKey><SessionToken>t&amp;t</SessionToken><Expiration>{expiration}</Expiration>\
         </Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}

/// A metadata service of version 2, whose keys live so long.
async fn machine(lives_secs: u64) -> Scripted {
    Scripted::start(move |number, seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", "/latest/api/token") => Reply::new(200, "the-token"),
        _ if seen.header("x-aws-ec2-metadata-token") != "the-token" => Reply::new(401, ""),
        ("GET", "/latest/meta-data/iam/security-credentials/") => Reply::new(200, "role-1\n"),
        ("GET", "/latest/meta-data/iam/security-credentials/role-1") => {
            role_keys(number / 3, lives_secs)
        }
        _ => Reply::new(404, ""),
    })
    .await
}

const PROFILE: (&str, &str) = ("aws.s3.use_instance_profile", "true");

fn at(metadata: &Scripted) -> (&'static str, &str) {
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.endpoint())
}

#[tokio::test]
async fn the_instance_profile_by_version_2() {
    let (objects, machine) = (objects().await, machine(3600).await);
    let storage = bucket(objects.endpoint(), &[PROFILE], &[at(&machine)]);
    read(&storage).await;
    read(&storage).await;
    assert_eq!(signer(&objects.seen()[1]), "AK0");
    assert_eq!(objects.seen()[1].header("x-amz-security-token"), "t0");
    assert_eq!(machine.seen().len(), 3, "asked once");
}

#[tokio::test]
async fn keys_are_renewed_before_they_expire() {
    let (objects, machine) = (objects().await, machine(200).await);
    let storage = bucket(objects.endpoint(), &[PROFILE], &[at(&machine)]);
    read(&storage).await;
    read(&storage).await;
    let signers: Vec<_> = objects.seen().iter().map(signer).collect();
    assert_eq!(signers, ["AK0", "AK1"]);
}

#[tokio::test]
async fn the_instance_profile_by_version_1_where_there_are_no_tokens() {
    let objects = objects().await;
    let machine = Scripted::start(|_, seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", _) => Reply::new(405, ""),
        (_, "/latest/meta-data/iam/security-credentials/") => Reply::new(200, "role-1"),
        _ => role_keys(7, 3600),
    })
    .await;
    read(&bucket(objects.endpoint(), &[PROFILE], &[at(&machine)])).await;
    assert_eq!(signer(&objects.seen()[0]), "AK7");
    assert!(machine.seen().iter().all(|seen| seen.header("x-aws-ec2-metadata-token").is_empty()));
}

/// rusoto's provider would remember the first error for ever.
#[tokio::test]
async fn an_error_of_the_metadata_service_is_not_remembered() {
    let objects = objects().await;
    let machine = Scripted::start(|number, seen| match (number, seen.target.as_str()) {
        (0, _) => Reply::new(500, "busy"),
        (_, "/latest/api/token") => Reply::new(200, "token"),
        (_, "/latest/meta-data/iam/security-credentials/") => Reply::new(200, "role-1"),
        _ => role_keys(0, 3600),
    })
    .await;
    let storage = bucket(objects.endpoint(), &[PROFILE], &[at(&machine)]);
    let error = storage.get(&path("a"), ByteRange::Full).await.unwrap_err();
    assert!(told(&error).contains("the instance profile"), "{}", told(&error));
    read(&storage).await;
}

#[tokio::test]
async fn a_machine_without_a_role_says_so() {
    let objects = objects().await;
    let machine = Scripted::always(Reply::new(404, "")).await;
    let storage = bucket(objects.endpoint(), &[PROFILE], &[at(&machine)]);
    let error = storage.get(&path("a"), ByteRange::Full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(told(&error).contains("the machine has no role"), "{}", told(&error));
    assert!(objects.seen().is_empty());
}

/// Keys that a service has revoked are fetched anew, in the middle of a job.
#[tokio::test]
async fn a_token_that_the_service_takes_for_expired_is_renewed() {
    let objects = Scripted::start(|_, seen| match seen.header("x-amz-security-token") {
        "t0" => Reply::refusal(400, "ExpiredToken"),
        _ => Reply::object("abc"),
    })
    .await;
    let machine = machine(3600).await;
    read(&bucket(objects.endpoint(), &[PROFILE], &[at(&machine)])).await;
    let signers: Vec<_> = objects.seen().iter().map(signer).collect();
    assert_eq!(signers, ["AK0", "AK1"]);
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id() {
    let (objects, sts) = (objects().await, Scripted::always(sts_keys(3600)).await);
    let said = [
        ("aws.s3.access_key", "AKBASE"),
        ("aws.s3.secret_key", "s"),
        ("aws.s3.iam_role_arn", "arn:aws:iam::1:role/r"),
        ("aws.s3.external_id", "who & what"),
        ("aws.s3.sts.endpoint", sts.endpoint()),
    ];
    read(&bucket(objects.endpoint(), &said, &[])).await;
    let asked = &sts.seen()[0];
    assert_eq!(signer(asked), "AKBASE");
    assert!(asked.header("authorization").contains("/sts/aws4_request"));
    assert_eq!(
        String::from_utf8_lossy(&asked.body),
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=cairn&ExternalId=who%20%26%20what"
    );
    assert_eq!(signer(&objects.seen()[0]), "ASSUMED");
    assert_eq!(objects.seen()[0].header("x-amz-security-token"), "t&t");
}

#[tokio::test]
async fn a_role_that_is_refused_says_why() {
    let objects = objects().await;
    let sts = Scripted::always(Reply::new(403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>")).await;
    let said = [
        ("aws.s3.access_key", "AKBASE"),
        ("aws.s3.secret_key", "s"),
        ("aws.s3.iam_role_arn", "arn"),
        ("aws.s3.sts.endpoint", sts.endpoint()),
    ];
    let error =
        bucket(objects.endpoint(), &said, &[]).get(&path("a"), ByteRange::Full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(
        told(&error).contains("the assumed role") && told(&error).contains("not you"),
        "{}",
        told(&error)
    );
}

/// A token service that is busy does not end a job.
#[tokio::test]
async fn a_token_service_that_is_busy_is_asked_again() {
    let busy = |status| Scripted::always(Reply::new(status, "busy"));
    for sts in [busy(429).await, busy(500).await, busy(503).await] {
        let objects = objects().await;
        let said = [
            ("aws.s3.access_key", "AKBASE"),
            ("aws.s3.secret_key", "s"),
            ("aws.s3.iam_role_arn", "arn"),
            ("aws.s3.sts.endpoint", sts.endpoint()),
        ];
        let storage = bucket(objects.endpoint(), &said, &[]);
        let error = storage.get(&path("a"), ByteRange::Full).await.unwrap_err();
        assert!(error.is_retryable(), "{}", told(&error));
    }
}

#[tokio::test]
async fn a_web_identity_is_read_from_its_file_and_not_signed() {
    let (objects, sts) = (objects().await, Scripted::always(sts_keys(60)).await);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "token-1\n").unwrap();
    let found = [
        ("AWS_ROLE_ARN", "arn"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", sts.endpoint()),
    ];
    let storage = bucket(objects.endpoint(), &[], &found);
    read(&storage).await;
    std::fs::write(file.path(), "token-2\n").unwrap();
    read(&storage).await;
    let bodies: Vec<_> =
        sts.seen().iter().map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect();
    assert!(bodies[0].ends_with("&WebIdentityToken=token-1"), "{bodies:?}");
    assert!(bodies[1].ends_with("&WebIdentityToken=token-2"), "{bodies:?}");
    assert_eq!(sts.seen()[0].header("authorization"), "");
}

#[tokio::test]
async fn the_default_chain_takes_the_first_place_that_has_any() {
    let objects = objects().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(
        home.path().join(".aws/credentials"),
        "[default]\naws_access_key_id = AKFILE\naws_secret_access_key = s\n\
         [other]\naws_access_key_id = AKOTHER\naws_secret_access_key = s\n",
    )
    .unwrap();
    let home = ("HOME", home.path().to_str().unwrap());
    let keys = [("AWS_ACCESS_KEY_ID", "AKENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    read(&bucket(objects.endpoint(), &[], &[home, keys[0], keys[1]])).await;
    read(&bucket(objects.endpoint(), &[], &[home])).await;
    read(&bucket(objects.endpoint(), &[], &[home, ("AWS_PROFILE", "other")])).await;
    let signers: Vec<_> = objects.seen().iter().map(signer).collect();
    assert_eq!(signers, ["AKENV", "AKFILE", "AKOTHER"]);
    let missing = bucket(objects.endpoint(), &[], &[home, ("AWS_PROFILE", "missing")]);
    let error = missing.get(&path("a"), ByteRange::Full).await.unwrap_err();
    assert!(told(&error).contains("there is no profile missing"), "{}", told(&error));
}

#[tokio::test]
async fn where_nothing_is_found_every_place_is_named() {
    let objects = objects().await;
    let storage = bucket(objects.endpoint(), &[], &[("AWS_EC2_METADATA_DISABLED", "true")]);
    let error = storage.get(&path("a"), ByteRange::Full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    for place in
        ["the environment", "the web identity", "the shared profile", "the instance profile"]
    {
        assert!(told(&error).contains(place), "{}", told(&error));
    }
}
