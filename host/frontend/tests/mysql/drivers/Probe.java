import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.Arrays;
import java.util.Properties;

/** What a driver for Java gets to see. Arguments: URL, whether the connection is inside TLS. */
public class Probe {
    static String url;

    public static void main(String[] arguments) throws Exception {
        url = arguments[0];
        try (Connection connection = connect("ann", "secret")) {
            same(value(connection, "SELECT WHOAMI", "user"), "ann");
            same(value(connection, "SELECT WHOAMI", "database"), "shop");
            same(value(connection, "SELECT WHOAMI", "tls"), arguments[1]);
            try (Statement statement = connection.createStatement()) {
                types(statement.executeQuery("SELECT TYPES"));
                same(statement.executeUpdate("INSERT"), 3);
                fails(1064, () -> statement.executeQuery("SELECT FAIL for a reason"));
                fails(1064, () -> drain(statement.executeQuery("SELECT BREAK")));
                same(drain(statement.executeQuery("SELECT ROWS 5000")), 5000L * 4999 / 2);
            }
            try (PreparedStatement statement = connection.prepareStatement("SELECT TYPES")) {
                for (int run = 0; run < 2; run++) types(statement.executeQuery());
            }
            parameters(connection);
            same(connection.isValid(5), true);
        }
        connect("native", "secret").close();
        connect("open", "").close();
        fails(1045, () -> connect("ann", "wrong"));
        fails(1045, () -> connect("nobody", "secret"));
        System.out.println("done");
    }

    static void parameters(Connection connection) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement(
                "SELECT ECHO '?' | ? | ? | ? | ? | ? | ? | ? | ? | ? | ? | ?")) {
            for (int run = 0; run < 2; run++) {
                statement.setNull(1, java.sql.Types.INTEGER);
                statement.setInt(2, -5);
                statement.setLong(3, 1L << 40);
                statement.setDouble(4, 1.25);
                statement.setBigDecimal(5, new BigDecimal("-1.50"));
                statement.setString(6, "it's \\ \u00fc?\n");
                statement.setBytes(7, new byte[] {(byte) 0xff, 0});
                statement.setDate(8, Date.valueOf("2024-02-29"));
                statement.setTimestamp(9, Timestamp.valueOf("2024-02-29 01:02:03.000045"));
                statement.setBoolean(10, true);
                statement.setFloat(11, 0.1f);
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    String[] said = rows.getString(1).split("\\|");
                    for (int index = 0; index < said.length; index++) said[index] = said[index].strip();
                    same(Arrays.asList(said), Arrays.asList("'?'", "NULL", "-5", "1099511627776", "1.25e0", "-1.50",
                        "'it''s \\\\ \u00fc?\\n'", "X'FF00'", "'2024-02-29'", "'2024-02-29 01:02:03.000045'", "1", "1e-1"));
                }
            }
        }
    }

    static void types(ResultSet rows) throws SQLException {
        rows.next();
        same(rows.getBoolean(1), true);
        same(rows.getByte(2), (byte) -128);
        same(rows.getShort(3), Short.MIN_VALUE);
        same(rows.getInt(4), Integer.MIN_VALUE);
        same(rows.getLong(5), Long.MIN_VALUE);
        same(rows.getBigDecimal(6), new BigDecimal("-1" + "0".repeat(37)));
        same(rows.getFloat(7), 1.5f);
        same(rows.getDouble(8), -2.5e-7);
        same(rows.getBigDecimal("c_decimal"), new BigDecimal("-1.23"));
        same(rows.getDate(10), Date.valueOf("2024-02-29"));
        same(rows.getObject(10, LocalDate.class), LocalDate.of(2024, 2, 29));
        same(rows.getTimestamp(11), Timestamp.valueOf("2024-02-29 01:02:03"));
        same(rows.getObject(12, LocalDateTime.class), LocalDateTime.of(2024, 2, 29, 1, 2, 3, 45_000));
        same(rows.getString("c_text"), "gr\u00fcn \ud83d\udd11");
        same(Arrays.toString(rows.getBytes(14)), Arrays.toString(new byte[] {(byte) 0xff, 0, 'a'}));
        same(rows.getObject(15), null);
        same(rows.getMetaData().getColumnName(1), "c_bool");
        same(rows.getMetaData().getScale(9), 2);
        rows.next();
        for (int column = 1; column <= 15; column++) same(rows.getObject(column), null);
        same(rows.next(), false);
    }

    static long drain(ResultSet rows) throws SQLException {
        long sum = 0;
        while (rows.next()) sum += rows.getLong(1);
        return sum;
    }

    static String value(Connection connection, String sql, String column) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getString(column);
        }
    }

    static Connection connect(String user, String password) throws SQLException {
        Properties properties = new Properties();
        properties.put("user", user);
        properties.put("password", password);
        return DriverManager.getConnection(url, properties);
    }

    interface Work { void run() throws Exception; }

    static void fails(int code, Work work) throws Exception {
        try {
            work.run();
        } catch (SQLException error) {
            if (error.getErrorCode() == code) return;
            throw error;
        }
        throw new AssertionError("no error " + code);
    }

    static void same(Object is, Object should) {
        if (!java.util.Objects.equals(is, should)) throw new AssertionError("is " + is + ", should be " + should);
    }
}
