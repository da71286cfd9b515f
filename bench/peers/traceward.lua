-- What Traceward does with a request, in nginx's Lua and as fast as it goes there: three expressions,
-- the context parsed and validated, the decision by the trace-id's right-most 56 bits, both headers
-- rewritten, decisions and latency counted. W3C Trace Context alone; tests/bench/test_lua_peer.py holds
-- it to Traceward, case for case.

local find, match = ngx.re.find, ngx.re.match
local var, req, shared = ngx.var, ngx.req, ngx.shared
local sub, byte, lower, gsub = string.sub, string.byte, string.lower, string.gsub
local concat, insert = table.concat, table.insert

local TRACEPARENT = [[^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})([^0-9a-f].*)?$]]
local MEMBER = [[^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$]]
local ZERO_TRACE_ID, ZERO_PARENT_ID = ("0"):rep(32), ("0"):rep(16)
local MOST_MEMBERS, MOST_CHARACTERS, LONG_MEMBER = 32, 512, 128
local STARTED = { [true] = "dd=s:1;o:rum", [false] = "dd=s:0;o:rum" }
local BOUNDS = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 }
local RANDOM_BYTES = 4096

local M = {}
local rules, follow, counts

-- `threshold`: of the default rate, 14 hex digits, or "g", which no trace-id reaches, for 0 %.
-- `parent`: "follow" or "decide".
function M.init(threshold, parent)
  rules = {
    { name = "checkout", expression = [[^https?://[^/]+/checkout/]], threshold = ("0"):rep(14) },
    { name = "partners", expression = [[^https?://[^/]+\.partners\.example\.com/]], threshold = threshold },
    { name = "all", expression = [[^https?://[^/]+/]], threshold = threshold },
  }
  follow = parent == "follow"
  counts = shared.counts
end

-- Random hex digits, read and encoded in blocks.

local HEX = {}
for i = 0, 255 do
  HEX[string.char(i)] = string.format("%02x", i)
end
local random_file, digits, used = nil, "", 0

local function random(length)
  if used + length > #digits then
    random_file = random_file or io.open("/dev/urandom", "rb")
    digits, used = gsub(random_file:read(RANDOM_BYTES), ".", HEX), 0
  end
  used = used + length
  return sub(digits, used - length + 1, used)
end

-- Parsing.

local function parse_traceparent(value)
  local last = byte(value, -1)
  if last == 9 or last == 32 then  -- nginx takes away spaces, and leaves tabs
    value = value:match("^(.-)[ \t]+$")
  end
  local found = match(value, TRACEPARENT, "jos")
  if not found then
    return nil, "syntax"
  end
  local version, tail = found[1], found[5]
  if version == "00" then
    if tail then
      return nil, "trailing_data"
    end
  elseif version == "ff" then
    return nil, "version"
  elseif tail and byte(tail) ~= 45 then
    return nil, "syntax"
  end
  if found[2] == ZERO_TRACE_ID then
    return nil, "zero_trace_id"
  end
  if found[3] == ZERO_PARENT_ID then
    return nil, "zero_parent_id"
  end
  return found
end

local function parse_tracestate(value)
  local members = {}
  for part in value:gmatch("[^,]+") do
    local member = part:match("^[ \t]*(.-)[ \t]*$")
    if member ~= "" then
      if not find(member, MEMBER, "jo") then
        return nil, "tracestate_syntax"
      end
      members[#members + 1] = member
    end
  end
  if #members > MOST_MEMBERS then
    return nil, "tracestate_too_many"
  end
  return members
end

-- Writing.

local function sign(priority)
  if not priority:match("^%-?%d%d?%d?$") then
    return nil
  end
  return tonumber(priority) > 0
end

-- The own member with an `s` of the decision's sign; one that has it is kept.
local function update_own(value, sampled)
  local state = sampled and "s:1" or "s:0"
  if not value then
    return "dd=" .. state
  end
  local subkeys, known = {}, false
  for subkey in (value .. ";"):gmatch("(.-);") do
    if not known and sub(subkey, 1, 2) == "s:" then
      known = true
      if sign(sub(subkey, 3)) ~= sampled then
        subkey = state
      end
    end
    subkeys[#subkeys + 1] = subkey
  end
  if not known then
    insert(subkeys, 1, state)
  end
  return "dd=" .. concat(subkeys, ";")
end

-- Whole members go where 512 characters are exceeded: first the long ones, from the right.
local function shorten(members, excess)
  for i = #members, 1, -1 do
    if excess > 0 and #members[i] > LONG_MEMBER then
      excess = excess - #members[i] - 1
      table.remove(members, i)
    end
  end
  while excess > 0 do
    excess = excess - #table.remove(members) - 1
  end
end

local function continue_tracestate(members, sampled)
  local own, others, length = nil, {}, -1
  for _, member in ipairs(members) do
    if sub(member, 1, 3) == "dd=" then
      own = own or sub(member, 4)
    elseif #others < MOST_MEMBERS - 1 then
      others[#others + 1] = member
      length = length + #member + 1
    end
  end
  local leading = update_own(own, sampled)
  if #leading + 1 + length > MOST_CHARACTERS then
    shorten(others, length - MOST_CHARACTERS)
  end
  insert(others, 1, leading)
  return concat(others, ",")
end

local function continue(found, members, sampled)
  local known = tonumber(sub(found[4], 2), 16) % 4
  local flags = known - known % 2 + (sampled and 1 or 0)
  var.traceparent = "00-" .. found[2] .. "-" .. random(16) .. "-0" .. flags
  var.tracestate = continue_tracestate(members, sampled)
end

-- Deciding. Each returns what is counted: decision, reason, context, fault.

local function start(rule, context, fault)
  local trace_id = random(32)
  local sampled = sub(trace_id, 19) >= rule.threshold
  if sampled then
    var.traceparent = "00-" .. trace_id .. "-" .. random(16) .. "-01"
    var.tracestate = STARTED[true]
    return "sampled|rate|" .. context .. "|" .. fault
  end
  return "not_sampled|rate|" .. (context == "started" and "none" or context) .. "|" .. fault
end

local function proceed(rule, value, found)
  local given, members, fault = req.get_headers().tracestate, {}, "none"
  if given then
    given = type(given) == "table" and concat(given, ",") or given
    local error
    members, error = parse_tracestate(given)
    if error then
      given, members, fault = nil, {}, error
    end
  end
  local theirs = byte(found[4], 2)
  theirs = (theirs > 57 and theirs - 87 or theirs - 48) % 2 == 1
  local sampled, reason = theirs, "parent"
  if not follow then
    sampled, reason = sub(found[2], 19) >= rule.threshold, "rate"
  end
  if sampled == theirs then
    var.traceparent = value
    var.tracestate = given or ""
    return (sampled and "sampled|" or "not_sampled|") .. reason .. "|forwarded|" .. fault
  end
  continue(found, members, sampled)
  return (sampled and "sampled|" or "not_sampled|") .. reason .. "|continued|" .. fault
end

local function decide(rule)
  local value = var.http_traceparent
  if not value then
    return start(rule, "started", "none")
  end
  -- Only here are all fields read: nginx's variable tells the first of several.
  value = req.get_headers().traceparent
  if type(value) == "table" then
    return start(rule, "restarted", "duplicate")
  end
  local found, fault = parse_traceparent(value)
  if not found then
    return start(rule, "restarted", fault)
  end
  return proceed(rule, value, found)
end

function M.decide()
  local url = var.scheme .. "://" .. lower(var.http_host or "") .. var.request_uri
  for i = 1, #rules do
    local rule = rules[i]
    if find(url, rule.expression, "jo") then
      var.outcome = rule.name .. "|" .. decide(rule)
      return
    end
  end
  var.traceparent = var.http_traceparent or ""
  var.tracestate = var.http_tracestate or ""
  var.outcome = "none|untraced|no_rule|none|none"
end

-- Counting. Names of counters are made once for each outcome and status.

local names = {}

local function names_of(outcome, status)
  local rule, decision, reason, context, fault = outcome:match("^(.-)|(.-)|(.-)|(.-)|(.-)$")
  local made = {
    requests = concat({ "requests", rule, status, decision }, "|"),
    decisions = concat({ "decisions", rule, decision, reason }, "|"),
    contexts = concat({ "contexts", context, fault }, "|"),
    sum = concat({ "seconds_sum", decision }, "|"),
  }
  for i = 1, #BOUNDS + 1 do
    made[i] = concat({ "seconds", decision, BOUNDS[i] or "inf" }, "|")
  end
  return made
end

function M.count()
  local outcome, status = var.outcome, ngx.status
  local by_status = names[outcome]
  if not by_status then
    by_status = {}
    names[outcome] = by_status
  end
  local of = by_status[status]
  if not of then
    of = names_of(outcome, status)
    by_status[status] = of
  end
  local seconds = ngx.now() - req.start_time()
  local bucket = 1
  while bucket <= #BOUNDS and seconds > BOUNDS[bucket] do
    bucket = bucket + 1
  end
  counts:incr(of.requests, 1, 0)
  counts:incr(of.decisions, 1, 0)
  counts:incr(of.contexts, 1, 0)
  counts:incr(of[bucket], 1, 0)
  counts:incr(of.sum, seconds, 0)
end

-- For `location = /counts`: a line for each counter.
function M.show()
  for _, key in ipairs(counts:get_keys(0)) do
    ngx.say(key, " ", counts:get(key))
  end
end

return M
