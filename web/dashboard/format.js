// Numbers as people read them.

const kPrefixes = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];

// 1608074 -> "1.61 M"; whole numbers below 100,000 as they are.
export function count(value) {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) < 1e5) return Math.round(value).toLocaleString("en");
  for (const [size, prefix] of kPrefixes) {
    if (Math.abs(value) >= size) return `${significant(value / size, 3)} ${prefix}`;
  }
  return String(value);
}

export function significant(value, digits) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  if (magnitude < 1e-3 || magnitude >= 1e6) {
    return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e").replace("-", "−");
  }
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(magnitude)));
  return value.toFixed(places).replace("-", "−");
}

export const loss = (value) => (Number.isFinite(value) ? value.toFixed(4) : "–");
export const percent = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "–");
export const number = (value) => significant(value, 4);

export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400 * 2) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

// "1 h 05 min", "5 min 07 s" or "7 s" of hours, as the x axis counts time.
export function hours(value) {
  const minutes = Math.floor(value * 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  const seconds = Math.floor(value * 3600) % 60;
  return minutes > 0 ? `${minutes} min ${String(seconds).padStart(2, "0")} s` : `${seconds} s`;
}

// The label of a tick, given the distance to the next: as few digits as tell them apart.
export function tick(value, distance) {
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e4) {
    for (const [size, prefix] of kPrefixes) {
      if (magnitude < size) continue;
      return `${trimmed((value / size).toFixed(placesOf(distance / size)))}${prefix}`;
    }
  }
  if (magnitude < 1e-3) return significant(value, distance < magnitude / 5 ? 2 : 1);
  return value.toFixed(placesOf(distance)).replace("-", "−");
}

// Decimal places that a multiple of `distance` needs.
function placesOf(distance) {
  for (let places = 0; places < 6; ++places) {
    const scaled = distance * 10 ** places;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return places;
  }
  return 6;
}

const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
