-- Word count over a text, in batch mode, with nothing newer than Flink 1.13.
--
-- examples/wordcount.sh creates the two tables that this script names, with the
-- paths it was given: text_lines (line STRING) and word_counts (word STRING,
-- occurrences BIGINT). The counts equal those of
--   LC_ALL=C tr -cs 'A-Za-z' '\n' <TEXT | tr A-Z a-z | grep . | sort | uniq -c

SET 'execution.runtime-mode' = 'batch';
SET 'sql-client.execution.result-mode' = 'tableau';

-- Whatever is no letter separates words.
CREATE TEMPORARY VIEW clean_lines AS
SELECT LOWER(TRIM(REGEXP_REPLACE(line, '[^A-Za-z]+', ' '))) AS line
FROM text_lines;

CREATE TEMPORARY VIEW digits AS
SELECT * FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS t (digit);

-- The positions 0 to 999 stand in for a split-to-rows function, which Flink 1.13
-- has none of. A line may thus hold 1000 words; wordcount.sh checks that.
CREATE TEMPORARY VIEW positions AS
SELECT 100 * hundreds.digit + 10 * tens.digit + ones.digit AS place
FROM digits AS hundreds CROSS JOIN digits AS tens CROSS JOIN digits AS ones;

CREATE TEMPORARY VIEW words AS
SELECT SPLIT_INDEX(line, ' ', place) AS word
FROM clean_lines INNER JOIN positions
ON place <= CHAR_LENGTH(line) - CHAR_LENGTH(REPLACE(line, ' ', ''))
WHERE line <> '';

INSERT OVERWRITE word_counts
SELECT word, COUNT(*) AS occurrences FROM words GROUP BY word;

SELECT word, occurrences FROM word_counts ORDER BY occurrences DESC, word LIMIT 10;
