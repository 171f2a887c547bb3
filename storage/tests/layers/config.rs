use std::time::Duration;

use cairn_storage::layer::LayerConfig;

#[test]
fn the_default_is_what_an_empty_file_means() {
    assert_eq!(toml::from_str::<LayerConfig>("").unwrap(), LayerConfig::default());
}

#[test]
fn the_default_is_written_as_people_read_it() {
    let text = toml::to_string(&LayerConfig::default()).unwrap();
    let expected = "\
max_in_flight = 32

[retry]
first_backoff = \"100ms\"
max_backoff = \"10s\"
budget = \"2m\"
per_second = 10

[timeout]
transfer = \"1m\"
request = \"20s\"
";
    assert_eq!(text, expected);
    assert_eq!(toml::from_str::<LayerConfig>(&text).unwrap(), LayerConfig::default());
}

#[test]
fn a_part_may_be_given() {
    let config: LayerConfig = toml::from_str("retry.budget = \"1h 30m\"").unwrap();
    assert_eq!(config.retry.budget, Duration::from_secs(5400));
    assert_eq!(config.timeout, LayerConfig::default().timeout);
}

#[test]
fn mistakes_are_named() {
    let mistake = |text: &str| toml::from_str::<LayerConfig>(text).unwrap_err().to_string();
    assert!(mistake("retries = 3").contains("unknown field `retries`"));
    assert!(mistake("retry.bugdet = \"1s\"").contains("unknown field `bugdet`"));
    assert!(mistake("retry.budget = \"soon\"").contains("\"soon\" is not a duration"));
    assert!(mistake("max_in_flight = 0").contains("nonzero"));
}
