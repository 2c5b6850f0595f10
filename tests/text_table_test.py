from tf_diffseg.text_table import (
    html_table,
    markdown_table,
    number_text,
    spread_text,
    text_table,
)


def test_columns_are_as_wide_as_their_widest_cell():
    assert text_table([["class", "Dice"], ["a long one", "0.9"], ["b"]]) == (
        "class       Dice\na long one  0.9\nb"
    )


def test_columns_of_numbers_are_aligned_to_the_right():
    rows = [["class", "cases", ""], ["a", "12", "b"], ["", "3"]]
    assert text_table(rows, right=(1,)) == "class  cases\na         12  b\n           3"


def test_a_markdown_table_has_a_line_of_dashes():
    assert markdown_table([["class", "Dice"], ["a"]]) == (
        "| class | Dice |\n| --- | --- |\n| a |  |"
    )


def test_an_undefined_number_is_a_dash():
    assert number_text(0.12345) == "0.123"
    assert number_text(None) == number_text(float("nan")) == "-"
    assert spread_text(1.0, None, 1) == "1.0 ± -"


def test_a_table_in_html_escapes_what_is_in_its_cells():
    text = html_table([["arm", "p"], ["a<b"]])
    assert "<tr><th>arm</th><th>p</th></tr>" in text
    assert "<tr><td>a&lt;b</td><td></td></tr>" in text
