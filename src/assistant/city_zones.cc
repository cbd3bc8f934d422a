#include "assistant/city_zones.h"

#include <algorithm>
#include <utility>

namespace fathom::assistant {
namespace {

struct City {
  std::string_view name;  // folded
  std::string_view zone;
};

// Capitals and large cities that tzdata names no zone after.
constexpr City kCities[] = {
    {"abu dhabi", "Asia/Dubai"},
    {"abuja", "Africa/Lagos"},
    {"ahmedabad", "Asia/Kolkata"},
    {"alexandria", "Africa/Cairo"},
    {"alofi", "Pacific/Niue"},
    {"andorra la vella", "Europe/Andorra"},
    {"ankara", "Europe/Istanbul"},
    {"antwerp", "Europe/Brussels"},
    {"astana", "Asia/Almaty"},
    {"atlanta", "America/New_York"},
    {"austin", "America/Chicago"},
    {"avarua", "Pacific/Rarotonga"},
    {"bandar seri begawan", "Asia/Brunei"},
    {"bangalore", "Asia/Kolkata"},
    {"barcelona", "Europe/Madrid"},
    {"basseterre", "America/St_Kitts"},
    {"beijing", "Asia/Shanghai"},
    {"belmopan", "America/Belize"},
    {"bengaluru", "Asia/Kolkata"},
    {"bern", "Europe/Zurich"},
    {"birmingham", "Europe/London"},
    {"boston", "America/New_York"},
    {"brasilia", "America/Sao_Paulo"},
    {"bridgetown", "America/Barbados"},
    {"calgary", "America/Edmonton"},
    {"cape town", "Africa/Johannesburg"},
    {"castries", "America/St_Lucia"},
    {"charlotte amalie", "America/St_Thomas"},
    {"chengdu", "Asia/Shanghai"},
    {"chennai", "Asia/Kolkata"},
    {"cologne", "Europe/Berlin"},
    {"dallas", "America/Chicago"},
    {"delhi", "Asia/Kolkata"},
    {"dodoma", "Africa/Dar_es_Salaam"},
    {"doha", "Asia/Qatar"},
    {"douglas", "Europe/Isle_of_Man"},
    {"edinburgh", "Europe/London"},
    {"episkopi cantonment", "Asia/Nicosia"},
    {"frankfurt", "Europe/Berlin"},
    {"geneva", "Europe/Zurich"},
    {"george town", "America/Cayman"},
    {"georgetown", "America/Guyana"},
    {"glasgow", "Europe/London"},
    {"guangzhou", "Asia/Shanghai"},
    {"guatemala city", "America/Guatemala"},
    {"gustavia", "America/St_Barthelemy"},
    {"hagatna", "Pacific/Guam"},
    {"hamburg", "Europe/Berlin"},
    {"hamilton", "Atlantic/Bermuda"},
    {"hanoi", "Asia/Ho_Chi_Minh"},
    {"honiara", "Pacific/Guadalcanal"},
    {"houston", "America/Chicago"},
    {"hyderabad", "Asia/Kolkata"},
    {"islamabad", "Asia/Karachi"},
    {"kingston", "America/Jamaica"},
    {"kingstown", "America/St_Vincent"},
    {"kuwait city", "Asia/Kuwait"},
    {"kyoto", "Asia/Tokyo"},
    {"lahore", "Asia/Karachi"},
    {"las vegas", "America/Los_Angeles"},
    {"lilongwe", "Africa/Blantyre"},
    {"liverpool", "Europe/London"},
    {"lyon", "Europe/Paris"},
    {"male", "Indian/Maldives"},
    {"manama", "Asia/Bahrain"},
    {"manchester", "Europe/London"},
    {"marseille", "Europe/Paris"},
    {"mata utu", "Pacific/Wallis"},
    {"mecca", "Asia/Riyadh"},
    {"melekeok", "Pacific/Palau"},
    {"miami", "America/New_York"},
    {"milan", "Europe/Rome"},
    {"moroni", "Indian/Comoro"},
    {"mumbai", "Asia/Kolkata"},
    {"munich", "Europe/Berlin"},
    {"nagoya", "Asia/Tokyo"},
    {"naples", "Europe/Rome"},
    {"new delhi", "Asia/Kolkata"},
    {"new york city", "America/New_York"},
    {"ngerulmud", "Pacific/Palau"},
    {"nukualofa", "Pacific/Tongatapu"},
    {"nur sultan", "Asia/Almaty"},
    {"oranjestad", "America/Aruba"},
    {"osaka", "Asia/Tokyo"},
    {"ottawa", "America/Toronto"},
    {"panama city", "America/Panama"},
    {"papeete", "Pacific/Tahiti"},
    {"philadelphia", "America/New_York"},
    {"plymouth", "America/Montserrat"},
    {"port louis", "Indian/Mauritius"},
    {"port vila", "Pacific/Efate"},
    {"porto", "Europe/Lisbon"},
    {"praia", "Atlantic/Cape_Verde"},
    {"pretoria", "Africa/Johannesburg"},
    {"pristina", "Europe/Belgrade"},
    {"quebec", "America/Toronto"},
    {"quito", "America/Guayaquil"},
    {"rabat", "Africa/Casablanca"},
    {"rio de janeiro", "America/Sao_Paulo"},
    {"road town", "America/Tortola"},
    {"roseau", "America/Dominica"},
    {"rotterdam", "Europe/Amsterdam"},
    {"saint georges", "America/Grenada"},
    {"saint helier", "Europe/Jersey"},
    {"saint peter port", "Europe/Guernsey"},
    {"saint petersburg", "Europe/Moscow"},
    {"saint pierre", "America/Miquelon"},
    {"salvador", "America/Bahia"},
    {"san diego", "America/Los_Angeles"},
    {"san francisco", "America/Los_Angeles"},
    {"san jose", "America/Costa_Rica"},
    {"san salvador", "America/El_Salvador"},
    {"sanaa", "Asia/Aden"},
    {"seattle", "America/Los_Angeles"},
    {"seville", "Europe/Madrid"},
    {"shenzhen", "Asia/Shanghai"},
    {"sucre", "America/La_Paz"},
    {"suva", "Pacific/Fiji"},
    {"the hague", "Europe/Amsterdam"},
    {"the settlement", "Indian/Christmas"},
    {"the valley", "America/Anguilla"},
    {"tirana", "Europe/Tirane"},
    {"torshavn", "Atlantic/Faroe"},
    {"turin", "Europe/Rome"},
    {"valletta", "Europe/Malta"},
    {"vatican city", "Europe/Vatican"},
    {"washington", "America/New_York"},
    {"washington dc", "America/New_York"},
    {"wellington", "Pacific/Auckland"},
    {"west island", "Indian/Cocos"},
    {"wuhan", "Asia/Shanghai"},
    {"yamoussoukro", "Africa/Abidjan"},
    {"yaounde", "Africa/Douala"},
};

// The letters U+00C0 to U+00FF without their accents.
constexpr std::string_view kBareLetters = "aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty";

// Lower case without accents and apostrophes, one blank between words.
std::string folded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\xc3' && i + 1 < text.size() && (text[i + 1] & '\xc0') == '\x80') {
      c = kBareLetters[static_cast<size_t>(static_cast<unsigned char>(text[++i]) & 0x3f)];
    }
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '\'' || c == '.') continue;
    if (c == ' ' || c == '_' || c == '-' || c == '\t') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += c;
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out.starts_with("st ") ? "saint " + out.substr(3) : out;
}

std::string_view next_word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view out = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return out;
}

// A line of tzdata.zi names a zone as "Z NAME ..." or another name of one as "L ZONE NAME".
std::optional<std::string> zone_named(const std::string& city, std::string_view table) {
  while (!table.empty()) {
    const size_t end = std::min(table.find('\n'), table.size());
    std::string_view line = table.substr(0, end);
    table.remove_prefix(std::min(end + 1, table.size()));
    const std::string_view kind = next_word(line);
    if (kind != "Z" && kind != "L") continue;
    if (kind == "L") next_word(line);
    const std::string_view zone = next_word(line);
    if (folded(zone.substr(zone.rfind('/') + 1)) == city) return std::string(zone);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> zone_of_city(std::string_view city, std::string_view zone_table) {
  const std::string name = folded(city.substr(0, city.find(',')));
  if (name.empty()) return std::nullopt;
  if (auto zone = zone_named(name, zone_table)) return zone;
  const auto* found =
      std::find_if(std::begin(kCities), std::end(kCities), [&](const City& each) { return each.name == name; });
  if (found != std::end(kCities)) return std::string(found->zone);
  return std::nullopt;
}

}  // namespace fathom::assistant
