-- Load for wrk on an object store: the lines of a file in turn (method, a space, the path), with a body of so many
-- bytes where the method is PUT; figures as JSON on the last line.
-- wrk -s s3load.lua … URL -- FILE BYTES
local threads = {}

function setup(thread) table.insert(threads, thread) end

function init(args)
    prepared, position, first = {}, 0, ""
    local body = string.rep("0123456789abcdef", math.floor(tonumber(args[2]) / 16))
    for line in io.lines(args[1]) do
        local method, path = line:match("^(%u+) (.+)$")
        if method == "PUT" then
            table.insert(prepared, wrk.format("PUT", path, nil, body))
        else
            table.insert(prepared, wrk.format(method, path))
        end
    end
end

function request()
    position = position % #prepared + 1
    return prepared[position]
end

function response(status, headers, body)
    if status >= 300 and first == "" then first = status .. " " .. body:sub(1, 300):gsub('[%c"\\]', " ") end
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
