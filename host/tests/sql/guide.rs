//! The statements of the user's guide, from the document itself.

use std::fs;
use std::path::Path;

use cairn_testkit::skip_unless_required;

/// What is before a statement that the guide shows with its result.
const PROMPT: &str = "mysql> ";

/// A statement of the guide, and what it prints there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) statement: String,
    pub(crate) printed: String,
}

/// Every block of SQL in the order of the document; nothing, which is said, where there is no document.
pub(crate) fn blocks() -> Option<Vec<Block>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/seed");
    let documents = fs::read_dir(&folder).into_iter().flatten();
    let texts = documents.filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok());
    let blocks: Vec<Block> = texts.flat_map(|text| blocks_of(&text)).collect();
    if blocks.is_empty() {
        skip_unless_required("seed", &format!("no document with SQL in {}", folder.display()));
        return None;
    }
    Some(blocks)
}

fn blocks_of(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.trim_start().strip_prefix("```").filter(|kind| !kind.is_empty())
        else {
            continue;
        };
        let inside: Vec<&str> =
            lines.by_ref().take_while(|line| line.trim_start() != "```").collect();
        if kind.eq_ignore_ascii_case("sql") {
            blocks.push(Block { statement: inside.join("\n"), printed: String::new() });
        } else if let Some(statement) = inside.first().and_then(|first| first.strip_prefix(PROMPT))
        {
            let (statement, printed) = (statement.to_owned(), inside[1..].join("\n"));
            blocks.push(Block { statement, printed });
        }
    }
    blocks
}

#[test]
fn statements_are_what_is_in_fences_of_sql_and_behind_prompts() {
    let text = "a\n```SQL\nONE\nTWO;\n```\n  ```SQL\n  THREE;\n  ```\n```Plain\nmysql> FOUR;\n+-+\n```\n\
                ```markdown\nnot me\n```\n";
    let block = |statement: &str, printed: &str| Block {
        statement: statement.to_owned(),
        printed: printed.to_owned(),
    };
    let expected = [block("ONE\nTWO;", ""), block("  THREE;", ""), block("FOUR;", "+-+")];
    assert_eq!(blocks_of(text), expected);
}
