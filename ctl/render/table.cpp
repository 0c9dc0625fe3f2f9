#include "ctl/render/table.hpp"

#include <algorithm>

namespace dixis::ctl {
namespace {

constexpr std::size_t kGap = 2;

using Rows = std::vector<std::vector<Cell>>;

struct Shown {
  std::size_t index;    ///< in the columns given
  std::size_t natural;  ///< width that shows all
  std::size_t least;
  std::size_t width;  ///< as decided
};

std::vector<Shown> non_empty(const std::vector<Column>& columns, const Rows& rows) {
  std::vector<Shown> out;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t content = 0;
    for (const auto& row : rows) content = std::max(content, display_width(row[i].text));
    if (content == 0) continue;
    const std::size_t natural = std::max(content, display_width(columns[i].title));
    const std::size_t least =
        columns[i].least_width == 0 ? natural : std::min(natural, columns[i].least_width);
    out.push_back({i, natural, least, least});
  }
  return out;
}

std::size_t total(const std::vector<Shown>& shown) {
  std::size_t sum = shown.empty() ? 0 : kGap * (shown.size() - 1);
  for (const Shown& column : shown) sum += column.width;
  return sum;
}

void drop_until_fits(std::vector<Shown>& shown, const std::vector<Column>& columns,
                     std::size_t width) {
  while (total(shown) > width) {
    const auto first_to_go =
        std::max_element(shown.begin(), shown.end(), [&](const Shown& a, const Shown& b) {
          return columns[a.index].drop_order < columns[b.index].drop_order;
        });
    if (first_to_go == shown.end() || columns[first_to_go->index].drop_order == 0) return;
    shown.erase(first_to_go);
  }
}

/// Where even that is too wide: cuts the columns that may be cut further, the widest first.
void squeeze(std::vector<Shown>& shown, const std::vector<Column>& columns, std::size_t width) {
  constexpr std::size_t kUseful = 4;
  while (total(shown) > width) {
    const auto widest = std::max_element(shown.begin(), shown.end(), [&](auto& a, auto& b) {
      const auto room = [&](const Shown& s) { return columns[s.index].least_width ? s.width : 0; };
      return room(a) < room(b);
    });
    if (columns[widest->index].least_width == 0 || widest->width <= kUseful) return;
    --widest->width;
  }
}

/// Gives room that is left to the columns that were cut, the first one first.
void widen(std::vector<Shown>& shown, std::size_t width) {
  for (Shown& column : shown) {
    const std::size_t used = total(shown);
    if (used >= width) return;
    column.width += std::min(column.natural - column.width, width - used);
  }
}

}  // namespace

std::string table(const std::vector<Column>& columns, const Rows& rows, std::size_t width,
                  bool colour) {
  std::vector<Shown> shown = non_empty(columns, rows);
  drop_until_fits(shown, columns, width);
  squeeze(shown, columns, width);
  widen(shown, width);

  std::string out;
  const auto line = [&](auto&& cell_of) {
    std::string text;
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const Shown& column = shown[i];
      const Cell cell = cell_of(column.index);
      const bool right = columns[column.index].right_aligned;
      const std::string cut = truncated(cell.text, column.width);
      // Nothing behind the last word: a line that ends in blanks wraps where it needn't.
      const bool last = i + 1 == shown.size();
      const std::string filled = padded(cut, column.width, right);
      const std::size_t blanks = filled.size() - cut.size();
      if (right) text += std::string(blanks, ' ');
      text += styled(cut, cell.style, colour);
      if (!right && !last) text += std::string(blanks, ' ');
      if (!last) text += std::string(kGap, ' ');
    }
    while (text.ends_with(' ')) text.pop_back();
    out += text + "\n";
  };
  line([&](std::size_t i) { return Cell{columns[i].title, Style::faint}; });
  for (const auto& row : rows) {
    line([&](std::size_t i) { return row[i]; });
  }
  return out;
}

}  // namespace dixis::ctl
