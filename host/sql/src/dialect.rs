//! StarRocks for sqlparser: MySQL, with what StarRocks has besides, and an end to what the parser tries.
//!
//! Where a word may be an operator or the name of a function, sqlparser tries one, then the other, and so on inside: an error
//! behind `POSITION(POSITION(...` costs three times as much for each level. It asks its dialect before each expression;
//! a budget of answers bounds the time.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::{Expr, Statement};
use sqlparser::dialect::{Dialect, MySqlDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

const MYSQL: MySqlDialect = MySqlDialect {};

/// Expressions that may be begun whatever the text is, for errors with a place in texts of a sane depth.
const ALWAYS: usize = 50_000;
/// Expressions that may be begun for each token; without an error it is less than one.
const FOR_EACH_TOKEN: usize = 4;

/// Queries of StarRocks, of one text.
#[derive(Debug)]
pub(crate) struct StarRocks {
    budget: Cell<usize>,
}

impl StarRocks {
    pub(crate) fn new(tokens: usize) -> Self {
        Self { budget: Cell::new(ALWAYS + FOR_EACH_TOKEN * tokens) }
    }

    /// Whether the parser gave up because it tried too much.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.budget.get() == 0
    }
}

/// Answers what MySQL does, or what is written behind the name.
macro_rules! answers {
    ($($name:ident),* ; $($own:ident = $value:literal),*) => {
        $(fn $name(&self) -> bool { MYSQL.$name() })*
        $(fn $own(&self) -> bool { $value })*
    };
}

impl Dialect for StarRocks {
    /// The parser asks in many places whether the dialect is MySQL.
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        MYSQL.is_identifier_start(ch)
    }

    /// `@` begins a variable or a host and is part of no name: `jack@localhost` are two.
    fn is_identifier_part(&self, ch: char) -> bool {
        ch != '@' && MYSQL.is_identifier_part(ch)
    }

    /// An error behind one of these is an error there, and not in a column of that name.
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        matches!(keyword, Keyword::CASE | Keyword::CAST | Keyword::NOT)
            || MYSQL.is_reserved_for_identifier(keyword)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        MYSQL.is_delimited_identifier_start(ch)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        MYSQL.identifier_quote_style(identifier)
    }

    fn parse_prefix(&self, _parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let left = self.budget.get().saturating_sub(1);
        self.budget.set(left);
        (left == 0).then_some(Err(ParserError::RecursionLimitExceeded))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        MYSQL.parse_infix(parser, expr, precedence)
    }

    fn parse_statement(&self, parser: &mut Parser<'_>) -> Option<Result<Statement, ParserError>> {
        MYSQL.parse_statement(parser)
    }

    fn is_table_factor_alias(
        &self,
        explicit: bool,
        keyword: &Keyword,
        parser: &mut Parser<'_>,
    ) -> bool {
        MYSQL.is_table_factor_alias(explicit, keyword, parser)
    }

    answers! {
        supports_string_literal_backslash_escape,
        supports_string_literal_concatenation,
        ignores_wildcard_escapes,
        supports_numeric_prefix,
        supports_bitwise_shift_operators,
        require_interval_qualifier,
        supports_limit_comma,
        supports_create_table_select,
        supports_insert_set,
        supports_user_host_grantee,
        supports_table_hints,
        requires_single_line_comment_whitespace,
        supports_match_against,
        supports_select_modifiers,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_update_order_by,
        supports_data_type_signed_suffix,
        supports_cross_join_constraint,
        supports_double_ampersand_operator,
        supports_binary_kw_as_cast,
        supports_constraint_keyword_without_name,
        supports_key_column_option ;
        supports_group_by_expr = true,
        supports_select_wildcard_except = true,
        // Comments are gone before the parser sees the tokens, and what a version comment holds is already part of them.
        supports_multiline_comment_hints = false,
        supports_comment_optimizer_hint = false
    }
}
