"""The operations of the Redis store, each a script that runs wholly or not at all.

Keys: the conversation (a hash: its text, and the claim that wrote it last), its claim, and the ids of all of the
caller's conversations by the second in which they expire. Running one twice with the same claim does no more than once.
"""

GONE = 0
HELD = 1
"""By another claim."""
DONE = 2
TEXT = "text"

# Ids stay in the index a little longer than their conversations, so that nothing is kept that erasure cannot find.
_RENEW = """
local function renew(id, ttl)
  local now = tonumber(redis.call('TIME')[1])
  redis.call('EXPIRE', KEYS[1], ttl)
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - 2)
  redis.call('ZADD', KEYS[3], now + ttl, id)
  if redis.call('TTL', KEYS[3]) < ttl + 2 then redis.call('EXPIRE', KEYS[3], ttl + 2) end
end
"""

BEGIN = f"""{_RENEW}
local claim, id, ttl, claim_ms, is_new = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local text = redis.call('HGET', KEYS[1], '{TEXT}')
if not text then
  if is_new ~= '1' then return {{{GONE}}} end
  text = ''
  redis.call('HSET', KEYS[1], '{TEXT}', text)
end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= claim then return {{{HELD}}} end
redis.call('SET', KEYS[2], claim, 'PX', claim_ms)
renew(id, ttl)
return {{{DONE}, text}}
"""

APPEND = f"""{_RENEW}
local claim, id, ttl, text = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if redis.call('EXISTS', KEYS[1]) == 0 then return {GONE} end
if redis.call('HGET', KEYS[1], 'claim') == claim then return {DONE} end
if redis.call('GET', KEYS[2]) ~= claim then return {HELD} end
redis.call('HSET', KEYS[1], '{TEXT}', text, 'claim', claim)
redis.call('DEL', KEYS[2])
renew(id, ttl)
return {DONE}
"""

RELEASE = f"""
local claim, id = ARGV[1], ARGV[2]
if redis.call('GET', KEYS[2]) ~= claim then return {DONE} end
redis.call('DEL', KEYS[2])
if redis.call('HGET', KEYS[1], '{TEXT}') == '' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], id)
end
return {DONE}
"""

DELETE = f"""
local existed = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
if existed == 0 then return {GONE} end
return {DONE}
"""

# The conversations' keys are not declared: they are known from the index only. Only Redis Cluster minds.
ERASE = """
local prefix, most = ARGV[1], tonumber(ARGV[2])
local ids = redis.call('ZRANGE', KEYS[1], 0, most - 1)
local existed = 0
for _, id in ipairs(ids) do
  existed = existed + redis.call('DEL', prefix .. ':' .. id)
  redis.call('DEL', prefix .. ':' .. id .. ':claim')
  redis.call('ZREM', KEYS[1], id)
end
return {#ids, existed}
"""
