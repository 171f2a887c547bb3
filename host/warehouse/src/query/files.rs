//! `FILES(...)`: local Parquet and CSV files as a relation.
//!
//! The columns of a CSV file are texts, as they are written: what they mean is for the column that they are loaded into, or
//! a cast, to say. A guess from the first rows would change them (`00123`, `1.10`, decimals of many digits).
//!
//! A path may have `*` and `?` in its last part. A file is read only if it is, with all links followed, below a directory
//! that the configuration allows; nothing is allowed by default.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::common::config::CsvOptions;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::functions::core::expr_fn::nullif;
use datafusion::functions::string::expr_fn::btrim;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};

use url::Url;

use super::engine::QueryEngine;
use super::failure::query_error;
use crate::{Error, ErrorKind, Result};

/// What MySQL's tools write for NULL. Nothing at all is NULL, too.
const CSV_NULL: &str = r"\N";
/// Encloses nothing: no text has this byte.
const NO_QUOTE: u8 = 0xff;

/// What a call says.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    path: String,
    format: Format,
}

#[derive(Debug, PartialEq, Eq)]
enum Format {
    Parquet,
    Csv(Csv),
}

/// How a CSV file is spelled.
#[derive(Debug, Default, PartialEq, Eq)]
struct Csv {
    separator: u8,
    enclose: Option<u8>,
    escape: Option<u8>,
    has_header: bool,
    trims: bool,
}

impl Options {
    fn parse(pairs: &[(String, String)]) -> Result<Self> {
        let find = |key: &str| {
            let pair = pairs.iter().find(|(name, _)| name == key);
            pair.map(|(_, value)| value.as_str())
        };
        const KNOWN: [&str; 9] = [
            "path",
            "format",
            "csv.column_separator",
            "csv.row_delimiter",
            "csv.enclose",
            "csv.escape",
            "csv.skip_header",
            "csv.trim_space",
            "auto_detect_types",
        ];
        if let Some((key, _)) = pairs.iter().find(|(key, _)| !KNOWN.contains(&key.as_str())) {
            return Err(Error::invalid(format!("FILES() does not know the property '{key}'")));
        }
        let required = |key: &str| {
            find(key).ok_or_else(|| Error::invalid(format!("FILES() needs the property '{key}'")))
        };
        let format = match required("format")?.to_lowercase().as_str() {
            "parquet" => Format::Parquet,
            "csv" => Format::Csv(Csv::parse(&find)?),
            other => {
                let message = format!("FILES() reads parquet and csv, not '{other}'");
                return Err(Error::unsupported(message));
            }
        };
        Ok(Self { path: required("path")?.to_owned(), format })
    }
}

impl Csv {
    fn parse<'a>(find: &dyn Fn(&str) -> Option<&'a str>) -> Result<Self> {
        let byte = |key: &str| find(key).map(|text| single_byte(key, text)).transpose();
        let truth = |key: &str| match find(key).unwrap_or("false").to_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(Error::invalid(format!("{key} is true or false, not '{other}'"))),
        };
        if truth("auto_detect_types")? {
            let message = "FILES() reads the columns of a CSV file as VARCHAR: leave out auto_detect_types, and CAST them";
            return Err(Error::unsupported(message));
        }
        if !matches!(find("csv.row_delimiter"), None | Some("\n" | "\\n" | "\r\n" | "\\r\\n")) {
            return Err(Error::unsupported("csv.row_delimiter is a line end, \\n or \\r\\n"));
        }
        let csv = Self {
            separator: byte("csv.column_separator")?.unwrap_or(b'\t'),
            enclose: byte("csv.enclose")?,
            escape: byte("csv.escape")?,
            has_header: match find("csv.skip_header").unwrap_or("0") {
                "0" => false,
                "1" => true,
                _ => return Err(Error::unsupported("csv.skip_header is 0 or 1")),
            },
            trims: truth("csv.trim_space")?,
        };
        if csv.escape.is_some() && csv.enclose.is_none() {
            return Err(Error::unsupported(
                "csv.escape is for enclosed values: give csv.enclose, too",
            ));
        }
        if csv.trims && csv.enclose.is_some() {
            return Err(Error::unsupported(
                "csv.trim_space is not for enclosed values: use TRIM()",
            ));
        }
        Ok(csv)
    }

    fn options(&self) -> CsvOptions {
        let mut options = CsvOptions::default().with_has_header(self.has_header);
        options.delimiter = self.separator;
        options.quote = self.enclose.unwrap_or(NO_QUOTE);
        options.escape = self.escape;
        // A file that is read in parts is cut at what looks like the end of a row.
        options.newlines_in_values = Some(self.enclose.is_some());
        // How many columns there are: the first row says so.
        options.schema_infer_max_rec = Some(1);
        options
    }
}

fn single_byte(key: &str, text: &str) -> Result<u8> {
    match text {
        "\\t" => Ok(b'\t'),
        "\\x01" => Ok(1),
        text => match text.as_bytes() {
            [byte] => Ok(*byte),
            _ => Err(Error::unsupported(format!("{key} is one character, not '{text}'"))),
        },
    }
}

/// The files that a call names.
pub(super) async fn relation(
    engine: &QueryEngine,
    pairs: &[(String, String)],
) -> Result<Arc<dyn TableProvider>> {
    let options = Options::parse(pairs)?;
    let (path, allowed) = (options.path.clone(), engine.allowed_paths().to_vec());
    let found = tokio::task::spawn_blocking(move || find(&path, &allowed)).await;
    let found = found.map_err(|error| {
        Error::new(ErrorKind::Io, "a search for files was given up").with_source(error)
    })??;
    let urls = found.iter().map(|path| file_url(path)).collect::<Result<Vec<_>>>()?;
    let format: Arc<dyn FileFormat> = match &options.format {
        Format::Parquet => Arc::new(ParquetFormat::default()),
        Format::Csv(csv) => Arc::new(CsvFormat::default().with_options(csv.options())),
    };
    let state = engine.state();
    let listing = ListingOptions::new(format).with_file_extension("");
    let first = urls.first().ok_or_else(|| no_files(&options.path))?;
    let found = listing.infer_schema(state, first).await.map_err(query_error)?;
    let schema = match &options.format {
        Format::Csv(_) => texts(&found),
        Format::Parquet => found,
    };
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(listing)
        .with_schema(schema);
    let table = Arc::new(ListingTable::try_new(config).map_err(query_error)?);
    match &options.format {
        Format::Csv(csv) => values(table, csv),
        Format::Parquet => lower_case(table),
    }
}

/// Exactly this file, whatever letters are in its name: nothing is searched for once it is known to be allowed.
fn file_url(path: &Path) -> Result<ListingTableUrl> {
    let url = Url::from_file_path(path).map_err(|()| no_files(&path.display().to_string()))?;
    ListingTableUrl::try_new(url, None).map_err(query_error)
}

/// Columns of a CSV file as they are read: texts, whose names are numbers, `$1`, `$2`, ...
fn texts(schema: &Schema) -> SchemaRef {
    let numbers = 1..=schema.fields().len();
    let fields = numbers.map(|number| Field::new(format!("${number}"), DataType::Utf8, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Texts as they are meant: [`CSV_NULL`] is NULL.
fn values(texts: Arc<dyn TableProvider>, csv: &Csv) -> Result<Arc<dyn TableProvider>> {
    projected(texts, &|_, column| {
        let name = column.name.clone();
        let text = Expr::Column(column);
        let text = if csv.trims { btrim(vec![text]) } else { text };
        nullif(text, lit(CSV_NULL)).alias(name)
    })
}

/// The relation under names that are found whatever case was typed.
fn lower_case(table: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let schema = table.schema();
    if schema.fields().iter().all(|field| *field.name() == field.name().to_lowercase()) {
        return Ok(table);
    }
    projected(table, &|_, column| {
        let name = column.name.to_lowercase();
        Expr::Column(column).alias(name)
    })
}

fn projected(
    table: Arc<dyn TableProvider>,
    expr: &dyn Fn(usize, Column) -> Expr,
) -> Result<Arc<dyn TableProvider>> {
    let scan = LogicalPlanBuilder::scan("files", provider_as_source(table), None);
    let plan = scan.and_then(|scan| {
        let columns = scan.schema().columns().into_iter().enumerate();
        let exprs: Vec<_> = columns.map(|(place, column)| expr(place, column)).collect();
        scan.project(exprs)?.build()
    });
    Ok(Arc::new(ViewTable::new(plan.map_err(query_error)?, None)))
}

/// The files that a path names, in the order of their names.
fn find(path: &str, allowed: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let path = Path::new(path.strip_prefix("file://").unwrap_or(path));
    if !path.is_absolute() {
        let message =
            format!("FILES() reads local files: '{}' is no absolute path", path.display());
        return Err(Error::invalid(message));
    }
    let pattern = path.file_name().unwrap_or_default().to_string_lossy();
    let mut found = Vec::new();
    if pattern.contains(['*', '?']) {
        let directory = path.parent().unwrap_or(Path::new("/"));
        check_allowed(directory, allowed)?;
        let entries =
            fs::read_dir(directory).map_err(|error| Error::io("list", directory, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Error::io("list", directory, error))?;
            if matches(&pattern, &entry.file_name().to_string_lossy()) {
                found.push(check_allowed(&entry.path(), allowed)?);
            }
        }
    } else {
        found.push(check_allowed(path, allowed)?);
    }
    found.retain(|path| path.is_file());
    found.sort();
    if found.is_empty() { Err(no_files(&path.display().to_string())) } else { Ok(found) }
}

fn no_files(path: &str) -> Error {
    let message = format!("No files were found matching the pattern(s) or path(s): '{path}'");
    Error::new(ErrorKind::NotFound, message)
}

/// The path with all links followed, if it is below an allowed directory.
fn check_allowed(path: &Path, allowed: &[PathBuf]) -> Result<PathBuf> {
    let refused = || {
        let message = format!(
            "FILES() may not read '{}': allow its directory with sql.files in the server's configuration file",
            path.display()
        );
        Error::invalid(message)
    };
    // What is outside does not tell whether it exists.
    let real = path.canonicalize();
    let is_inside = |path: &Path| {
        let goes_up = path.components().any(|part| part == Component::ParentDir);
        !goes_up && allowed.iter().any(|directory| path.starts_with(directory))
    };
    match real {
        Ok(real) if is_inside(&real) => Ok(real),
        Err(_) if is_inside(path) => Err(no_files(&path.display().to_string())),
        _ => Err(refused()),
    }
}

/// Whether a name fits a pattern of letters, `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    // `reachable[n]`: the pattern so far can stand for the first n letters of the name.
    let mut reachable = vec![false; name.len() + 1];
    if let Some(first) = reachable.first_mut() {
        *first = true;
    }
    for letter in pattern {
        let mut next = vec![false; name.len() + 1];
        let mut any = false;
        for (place, was) in reachable.iter().enumerate() {
            any |= *was;
            let fits = letter == '?' || name.get(place) == Some(&letter);
            let target = match letter {
                '*' => next.get_mut(place).filter(|_| any),
                _ => next.get_mut(place + 1).filter(|_| *was && fits),
            };
            if let Some(target) = target {
                *target = true;
            }
        }
        reachable = next;
    }
    reachable.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_pattern_stands_for_names() {
        for (pattern, name, expected) in [
            ("*.parquet", "a.parquet", true),
            ("*.parquet", "a.csv", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-b-d", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn properties_are_checked() {
        let csv = pairs(&[("path", "/a"), ("format", "CSV"), ("csv.column_separator", ";")]);
        let format = Format::Csv(Csv { separator: b';', ..Csv::default() });
        assert_eq!(
            Options::parse(&csv).expect("is fine"),
            Options { path: "/a".to_owned(), format }
        );
        for wrong in [
            pairs(&[("format", "csv")]),
            pairs(&[("path", "/a")]),
            pairs(&[("path", "/a"), ("format", "orc")]),
            pairs(&[("path", "/a"), ("format", "csv"), ("x", "y")]),
            pairs(&[("path", "/a"), ("format", "csv"), ("csv.enclose", "ab")]),
            pairs(&[("path", "/a"), ("format", "csv"), ("csv.escape", "\\")]),
            pairs(&[("path", "/a"), ("format", "csv"), ("csv.row_delimiter", ";")]),
            pairs(&[("path", "/a"), ("format", "csv"), ("csv.trim_space", "yes")]),
            pairs(&[("path", "/a"), ("format", "csv"), ("auto_detect_types", "true")]),
        ] {
            assert!(Options::parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_files_below_an_allowed_directory_are_found() {
        let inside = tempfile::tempdir().expect("a directory");
        let outside = tempfile::tempdir().expect("a directory");
        let root = inside.path().canonicalize().expect("is there");
        let secret = outside.path().join("secret.csv");
        fs::write(&secret, "1").expect("writes");
        fs::write(root.join("b.csv"), "1").expect("writes");
        fs::write(root.join("a.csv"), "1").expect("writes");
        let allowed = [root.clone()];
        let at = |name: &str| root.join(name).display().to_string();

        let found = find(&at("*.csv"), &allowed).expect("two files");
        assert_eq!(found, [root.join("a.csv"), root.join("b.csv")]);
        assert!(
            find(&at("c.csv"), &allowed).expect_err("none").to_string().starts_with("No files")
        );

        std::os::unix::fs::symlink(&secret, root.join("link.csv")).expect("links");
        for path in [at("link.csv"), at("../secret.csv"), secret.display().to_string()] {
            let error = find(&path, &allowed).expect_err("it is outside");
            assert!(error.to_string().contains("sql.files"), "{error}");
        }
        assert!(find("relative.csv", &allowed).is_err());
        assert!(find(&at("a.csv"), &[]).is_err());
    }
}
