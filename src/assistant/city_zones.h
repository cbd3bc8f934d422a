#pragma once
// Cities to the names of their time zones.

#include <optional>
#include <string>
#include <string_view>

namespace fathom::assistant {

// "America/Sao_Paulo" for "São Paulo": the zone whose last part is the city, in tzdata.zi or among capitals and large
// cities without a zone of their own. Case, accents of Western European letters, and what stands between words or
// behind a comma do not count. `zone_table` is the text of tzdata.zi.
[[nodiscard]] std::optional<std::string> zone_of_city(std::string_view city, std::string_view zone_table);

}  // namespace fathom::assistant
