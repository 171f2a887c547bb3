//! The tools and their command lines; the only place that knows them.

use super::{Remote, Restored, Retention, SELF, Tool};
use crate::store::{S3_KEYS, StoreKind};

/// The name of the tool that the others are compared with.
pub const REFERENCE: &str = "cairn";

/// Where whoever speaks S3 looks for its keys.
const AWS_KEYS: &[(&str, &str)] =
    &[("AWS_ACCESS_KEY_ID", S3_KEYS[0]), ("AWS_SECRET_ACCESS_KEY", S3_KEYS[1])];

/// Run twice: what the first marks the second deletes.
const CAIRN_PRUNE: &str = "prune --repo {repo} --grace 1s --max-unused 0%";

const CAIRN: Tool = Tool {
    name: REFERENCE,
    about: "as it comes: compression where it gains",
    program: "cairn",
    version: "--version",
    create: None,
    backup: "backup --repo {repo} --label {label} {source}",
    restore: "restore --repo {repo} --label {label} {target}",
    check: Some("check --repo {repo} --read-data"),
    retention: Some(Retention {
        forget: "forget --repo {repo} --keep-last {keep}",
        prune: &[CAIRN_PRUNE; 2],
    }),
    environment: &[],
    is_incremental: true,
    restored: Restored::Target,
    is_local: true,
    remotes: &[
        Remote {
            kind: StoreKind::S3,
            repo: "s3a://bench/repo --property aws.s3.endpoint={endpoint} \
                   --property aws.s3.enable_path_style_access=true",
            environment: AWS_KEYS,
        },
        Remote {
            kind: StoreKind::Hdfs,
            repo: "{endpoint}/bench/repo --property hadoop.conf.dir={conf}",
            environment: &[],
        },
    ],
};

const RESTIC: Tool = Tool {
    name: "restic",
    about: "as it comes: zstd, AES",
    program: "restic",
    version: "version",
    create: Some("-q -r {repo} init --repository-version 2"),
    backup: "-q -r {repo} --cache-dir {work}/cache --compression auto backup {source}",
    restore: "-q -r {repo} --cache-dir {work}/cache restore latest --target {target}",
    check: Some("-q -r {repo} --cache-dir {work}/cache check --read-data"),
    retention: Some(Retention {
        forget: "-q -r {repo} --cache-dir {work}/cache forget --group-by host --keep-last {keep}",
        prune: &["-q -r {repo} --cache-dir {work}/cache prune --max-unused 0"],
    }),
    environment: &[("RESTIC_PASSWORD", "benchmark")],
    is_incremental: true,
    restored: Restored::SourcePath,
    is_local: true,
    remotes: &[Remote {
        kind: StoreKind::S3,
        repo: "s3:{endpoint}/bench/repo",
        environment: AWS_KEYS,
    }],
};

const RUSTIC: Tool = Tool {
    name: "rustic",
    about: "as it comes: zstd, AES, Rabin chunks",
    program: "rustic",
    version: "--version",
    create: Some("-r {repo} --cache-dir {work}/cache init"),
    backup: "-r {repo} --cache-dir {work}/cache backup {source}",
    restore: "-r {repo} --cache-dir {work}/cache restore latest:{source} {target}",
    check: Some("-r {repo} --cache-dir {work}/cache check --read-data"),
    retention: Some(Retention {
        forget: "-r {repo} --cache-dir {work}/cache forget --group-by host --keep-last {keep}",
        prune: &[
            "-r {repo} --cache-dir {work}/cache prune --max-unused 0% --keep-delete 0s --instant-delete",
        ],
    }),
    environment: &[
        ("RUSTIC_PASSWORD", "benchmark"),
        ("RUSTIC_LOG_LEVEL", "warn"),
        ("RUSTIC_NO_PROGRESS", "true"),
    ],
    is_incremental: true,
    restored: Restored::Target,
    is_local: true,
    remotes: &[Remote {
        kind: StoreKind::S3,
        repo: "opendal:s3",
        environment: &[
            ("RUSTIC_REPO_OPT_ENDPOINT", "{endpoint}"),
            ("RUSTIC_REPO_OPT_BUCKET", "bench"),
            ("RUSTIC_REPO_OPT_ROOT", "/repo"),
            ("RUSTIC_REPO_OPT_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", S3_KEYS[0]),
            ("AWS_SECRET_ACCESS_KEY", S3_KEYS[1]),
        ],
    }],
};

const BORG: Tool = Tool {
    name: "borg",
    about: "zstd at level 3, no encryption",
    program: "borg",
    version: "--version",
    create: Some("init -e none {repo}"),
    backup: "create -C zstd,3 {repo}::{label} {source}",
    // Into the directory that it runs in: the target, as for all that restore whole paths.
    restore: "extract {repo}::{label}",
    check: Some("check --verify-data {repo}"),
    retention: None,
    environment: &[
        ("BORG_BASE_DIR", "{work}/borg"),
        ("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"),
        ("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes"),
    ],
    is_incremental: true,
    restored: Restored::SourcePath,
    is_local: true,
    remotes: &[],
};

const FLOOR: Tool = Tool {
    name: "floor",
    about: "copy, cut and hash every byte once, one thread; no compression",
    program: SELF,
    version: "--version",
    create: None,
    backup: "floor {source} {repo}",
    restore: "floor --restore {repo} {target}",
    check: Some("floor --check {repo}"),
    retention: None,
    environment: &[],
    is_incremental: false,
    restored: Restored::Target,
    is_local: true,
    remotes: &[],
};

const RCLONE: Tool = Tool {
    name: "rclone",
    about: "mirrors files as they are; no history",
    program: "rclone",
    version: "version",
    create: None,
    // The server of this harness keeps no times and lists no directories.
    backup: "sync -q --fast-list --size-only {source} {repo}",
    restore: "copy -q --fast-list {repo} {target}",
    check: Some("check -q --fast-list --download {source} {repo}"),
    retention: None,
    // With authorities of its own it does not start.
    environment: &[("RCLONE_CONFIG", "{work}/rclone.conf"), ("AWS_CA_BUNDLE", "")],
    is_incremental: true,
    restored: Restored::Target,
    is_local: true,
    remotes: &[Remote {
        kind: StoreKind::S3,
        repo: "bench:bench/repo",
        environment: &[
            ("RCLONE_CONFIG_BENCH_TYPE", "s3"),
            ("RCLONE_CONFIG_BENCH_PROVIDER", "Other"),
            ("RCLONE_CONFIG_BENCH_ENDPOINT", "{endpoint}"),
            ("RCLONE_CONFIG_BENCH_LIST_VERSION", "2"),
            ("RCLONE_CONFIG_BENCH_NO_CHECK_BUCKET", "true"),
            ("RCLONE_CONFIG_BENCH_ACCESS_KEY_ID", S3_KEYS[0]),
            ("RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY", S3_KEYS[1]),
        ],
    }],
};

/// `hdfs dfs`, which is a shell script around this.
const HDFS_DFS: Tool = Tool {
    name: "hdfs-dfs",
    about: "the Java client: -put and -get",
    program: "java",
    version: "--version",
    create: None,
    backup: "--add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED \
             -cp {conf}:{servers}/jars/* org.apache.hadoop.fs.FsShell -put {source} {repo}",
    restore: "--add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED \
              -cp {conf}:{servers}/jars/* org.apache.hadoop.fs.FsShell -get {repo}/* {target}",
    check: None,
    retention: None,
    environment: &[],
    is_incremental: false,
    restored: Restored::Target,
    is_local: false,
    remotes: &[Remote { kind: StoreKind::Hdfs, repo: "{endpoint}/bench/repo", environment: &[] }],
};

/// All tools.
pub const ALL: [Tool; 13] = [
    CAIRN,
    Tool {
        name: "cairn-off",
        about: "no compression",
        backup: "backup --repo {repo} --compression off --label {label} {source}",
        ..CAIRN
    },
    RESTIC,
    Tool {
        name: "restic-off",
        about: "no compression, AES",
        backup: "-q -r {repo} --cache-dir {work}/cache --compression off backup {source}",
        ..RESTIC
    },
    RUSTIC,
    Tool {
        name: "rustic-fixed",
        about: "fixed chunks of 1 MiB, zstd at level 1, packs of 64 MiB, not verified twice",
        create: Some(
            "-r {repo} --cache-dir {work}/cache init --set-compression 1 --set-extra-verify false \
             --set-chunker fixed_size --set-chunk-size 1MiB --set-datapack-size 64MiB",
        ),
        ..RUSTIC
    },
    BORG,
    Tool {
        name: "borg-none",
        about: "no compression, no encryption",
        backup: "create -C none {repo}::{label} {source}",
        ..BORG
    },
    Tool {
        name: "cp",
        about: "the plain copy",
        program: "cp",
        version: "--version",
        create: None,
        backup: "-aT {source} {repo}",
        restore: "-aT {repo} {target}",
        check: None,
        retention: None,
        environment: &[],
        is_incremental: false,
        restored: Restored::Target,
        is_local: true,
        remotes: &[],
    },
    FLOOR,
    Tool {
        name: "floor-auto",
        about: "the floor and cairn's compression",
        backup: "floor --compress {source} {repo}",
        ..FLOOR
    },
    RCLONE,
    HDFS_DFS,
];
