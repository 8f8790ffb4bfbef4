/**
 * The steps as Lua scripts, which Redis and Valkey run one at a time. They do what the steps of the other stores do, by
 * the clock of the server, which stands still while a script runs. A step that may be repeated has a last key more than
 * others, where it is remembered.
 */
import { createHash } from 'node:crypto'
import { STEP_MEMORY } from '../store.ts'

export interface Script {
  readonly source: string
  /** its name for EVALSHA */
  readonly sha: string
  /** whether it can change something */
  readonly writes: boolean
}

const script = (source: string, { writes = true } = {}): Script => ({
  source,
  sha: createHash('sha1').update(source).digest('hex'),
  writes,
})

const NOW = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/** key → value, Unix time when it is forgotten; or nil */
export const GET: Script = script(
  `local value = redis.call('GET', KEYS[1])
if not value then return false end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then return {value, -1} end
${NOW}return {value, now + left}`,
  { writes: false },
)

/** key; value, ttl → value that is there now */
export const SET_IF_ABSENT: Script = script(
  `local there = redis.call('GET', KEYS[1])
if there then return there end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`,
)

/** key; ttl, '1' or '0', expected value, '1' or '0', new value ('0': there is none) → 1 or 0 */
export const COMPARE_AND_SET: Script = script(
  `local there = redis.call('GET', KEYS[1])
local expected = ARGV[2] == '1' and ARGV[3]
local value = ARGV[4] == '1' and ARGV[5]
if there ~= expected then return there == value and 1 or 0 end
if value then
  redis.call('SET', KEYS[1], value, 'PX', ARGV[1])
elseif there then
  redis.call('DEL', KEYS[1])
end
return 1`,
)

/** Answers of {@link INCREMENT}. */
export const REFUSED = 0
export const DONE = 1
export const NO_NUMBER = 2

/**
 * key, memory of the step; by, min, max, ttl → answer, number. Doubles are exact up to 2^53, and the sum of two safe
 * numbers that is not safe is never rounded to a safe one.
 */
export const INCREMENT: Script = script(
  `if KEYS[2] then
  local made = redis.call('GET', KEYS[2])
  if made then return {${DONE}, made} end
end
local there = redis.call('GET', KEYS[1])
local old = 0
if there then
  old = (there == '0' or string.find(there, '^%-?[1-9]%d*$')) and tonumber(there)
  if not old or math.abs(old) > 9007199254740991 then return {${NO_NUMBER}, ''} end
end
local value = old + tonumber(ARGV[1])
if value < tonumber(ARGV[2]) or value > tonumber(ARGV[3]) then
  return {${REFUSED}, string.format('%.0f', old)}
end
local text = string.format('%.0f', value)
redis.call('SET', KEYS[1], text, 'PX', ARGV[4])
if KEYS[2] then redis.call('SET', KEYS[2], text, 'PX', ${STEP_MEMORY}) end
return {${DONE}, text}`,
)

/** A bucket is saved as what is missing, and at which time; full ones are not saved. */
const BUCKETS = `${NOW}local function levelOf(i, capacity, fillTime)
  local saved = redis.call('GET', KEYS[i])
  if not saved then return 0, now, false end
  local missing, at = string.match(saved, '^(%S+) (%S+)$')
  missing, at = tonumber(missing), tonumber(at)
  local passed = now - at
  if passed <= 0 then
    -- After a failover, another machine's clock counts. One that is far behind counts from now on.
    local back = passed < -60000
    return math.min(missing, capacity), back and now or at, true, back
  end
  return math.min(capacity, math.max(0, missing - passed * capacity / fillTime)), now, true
end
local function save(i, missing, at, capacity, fillTime)
  local left = math.ceil(at + missing * fillTime / capacity) - now
  redis.call('SET', KEYS[i], string.format('%.17g %.0f', missing, at), 'PX', math.max(1, left))
end
`

/**
 * buckets, memory of the step; number of buckets, and for each: capacity, fillTime, tokens → 1, left ...; or 0, index
 * of the first that is short, milliseconds to wait or -1, left ...
 *
 * The memory of a step is 'took tokens,... left,...', or 'returned 1' or 'returned 0' of `GIVE_BACK`.
 */
export const TAKE: Script = script(
  `local count = tonumber(ARGV[1])
local memory = KEYS[count + 1]
local made = memory and redis.call('GET', memory)
if made and string.sub(made, 1, 5) == 'took ' then
  local answer = {1}
  for left in string.gmatch(string.match(made, '%S+$'), '%d+') do
    answer[#answer + 1] = tonumber(left)
  end
  return answer
end
${BUCKETS}local levels = {}
local left = {}
local short, wait = false, 0
for i = 1, count do
  local capacity, fillTime, tokens = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local missing, at, there, back = levelOf(i, capacity, fillTime)
  levels[i] = {missing, at, capacity, fillTime, tokens}
  -- Otherwise a bucket of which nobody can take would stay empty until the clock is where it was before.
  if back then save(i, missing, at, capacity, fillTime) end
  left[i] = math.floor(capacity - missing)
  if not made and missing + tokens > capacity then
    short = short or i
    if tokens > capacity then
      wait = -1
    elseif wait >= 0 then
      local own = math.floor((missing + tokens - capacity) * fillTime / capacity)
      while math.max(0, missing - own * capacity / fillTime) + tokens > capacity do own = own + 1 end
      wait = math.max(wait, own + math.max(0, at - now))
    end
  end
end
if short then return {0, short - 1, wait, unpack(left)} end
if made then return {1, unpack(left)} end
local took = {}
local changed = false
for i = 1, count do
  local missing, at, capacity, fillTime, tokens = unpack(levels[i])
  took[i] = string.format('%.0f', tokens)
  if tokens > 0 then
    changed = true
    left[i] = math.floor(capacity - (missing + tokens))
    save(i, missing + tokens, at, capacity, fillTime)
  end
end
if memory and changed then
  local texts = {}
  for i = 1, count do texts[i] = string.format('%.0f', left[i]) end
  local text = 'took ' .. table.concat(took, ',') .. ' ' .. table.concat(texts, ',')
  redis.call('SET', memory, text, 'PX', ${STEP_MEMORY})
end
return {1, unpack(left)}`,
)

/** as `TAKE` → 1 if tokens were put back, by this call or an earlier one; else 0 */
export const GIVE_BACK: Script = script(
  `local count = tonumber(ARGV[1])
local memory = KEYS[count + 1]
local made = redis.call('GET', memory)
if made and string.sub(made, 1, 9) == 'returned ' then
  return tonumber(string.sub(made, 10))
end
local answer = 0
if made then
  answer = 1
  ${BUCKETS.trimEnd().replaceAll('\n', '\n  ')}
  local i = 0
  for took in string.gmatch(string.match(made, '^took (%S+)'), '%d+') do
    i = i + 1
    local tokens = tonumber(took)
    local capacity, fillTime = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    local missing, at, there = levelOf(i, capacity, fillTime)
    if tokens > 0 and there then
      if missing > tokens then
        save(i, missing - tokens, at, capacity, fillTime)
      else
        redis.call('DEL', KEYS[i])
      end
    end
  end
end
redis.call('SET', memory, 'returned ' .. answer, 'PX', ${STEP_MEMORY})
return answer`,
)

/** key → 1. A replica that was a primary refuses it, so it shows where steps can be made. */
export const PROBE: Script = script(`redis.call('SET', KEYS[1], '', 'PX', 1000)
return 1`)
