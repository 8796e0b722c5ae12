-- Load for wrk on an object store: the lines of a file in turn (method, a space, the path), with a body of so many
-- bytes where the method is PUT; figures as JSON on the last line. With THREADS (as many as wrk has), the lines are
-- shared out among them, and the load ends when each line was answered.
-- wrk -s s3load.lua … URL -- FILE BYTES [THREADS]
local threads = {}

function setup(thread)
    thread:set("number", #threads)
    table.insert(threads, thread)
end

function init(args)
    prepared, position, answered, first = {}, 0, 0, ""
    local body = string.rep("0123456789abcdef", math.floor(tonumber(args[2]) / 16))
    local sharing = tonumber(args[3])
    local count, method, path = 0, "", ""
    for line in io.lines(args[1]) do
        count = count + 1
        if not sharing or count % sharing == number then
            method, path = line:match("^(%u+) (.+)$")
            table.insert(prepared, wrk.format(method, path, nil, method == "PUT" and body or nil))
        end
    end
    last = sharing and #prepared or -1
    -- With a `response`, wrk keeps every body whole, and is then itself what is measured; refusals are counted without.
    if method == "GET" then response = nil end
end

function request()
    position = position % #prepared + 1
    return prepared[position]
end

function response(status, headers, body)
    if status >= 300 and first == "" then first = status .. " " .. body:sub(1, 300):gsub('[%c"\\]', " ") end
    answered = answered + 1
    if answered == last then wrk.thread:stop() end
end

function done(summary, latency, requests)
    local first = ""
    for _, thread in ipairs(threads) do
        local one = thread:get("first") or ""
        if one ~= "" then first = one end
    end
    local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
    io.write(string.format(
        '\n{"answers": %d, "seconds": %.6f, "p50": %.6f, "p99": %.6f, "refused": %d, "broken": %d, "first": "%s"}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
        summary.errors.status, broken, first))
end
