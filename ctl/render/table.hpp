#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ctl/render/text.hpp"

namespace dixis::ctl {

struct Column {
  std::string title;
  bool right_aligned = false;
  /// The column with the highest number goes first when it gets narrow; 0 stays.
  int drop_order = 0;
  /// A column that may be cut keeps this much; 0: it is shown whole.
  std::size_t least_width = 0;
};

struct Cell {
  std::string text;  ///< printable
  Style style = Style::plain;
};

/// Rows under titles, in lines of at most `width` columns. Columns that are empty in each row are
/// left out; then columns are dropped in their order until the rest fits, and what may be cut is
/// cut, the last such column first.
std::string table(const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows,
                  std::size_t width, bool colour);

}  // namespace dixis::ctl
