"""Python's own way to the manager interface: panoramisk behind aiohttp.

Environment: AMI_PORT, AMI_SECRET, API_KEY, PORT.
"""

import os
import uuid

from aiohttp import web
from panoramisk import Manager

API_KEY = os.environ["API_KEY"]


async def conf(request):
    fields = await request.json()
    if fields.get("api_key") != API_KEY:
        return web.json_response({"error": "Authentication failure"}, status=401)
    number = fields["phone_number"].lstrip("+")
    response = await request.app["manager"].send_action(
        {
            "Action": "Originate",
            "Channel": f"Local/{number}@telegram-out",
            "Context": "conf-in",
            "Exten": fields["room_name"],
            "Priority": "1",
            "Timeout": "30000",
            "CallerID": f"<{fields['caller_id']}>",
            "Variable": f"LANG={fields.get('lang', 'ru')}",
            "Async": "true",
            "ChannelId": f"pano-{uuid.uuid4()}",
            "OtherChannelId": f"pano-lock-{number}",
        },
        as_list=False,
    )
    # panoramisk returns a list if events follow the response.
    first = response[0] if isinstance(response, list) else response
    if first.success:
        return web.json_response({"message": "ok"})
    return web.json_response({"error": first.message}, status=502)


async def connect(app):
    manager = Manager(
        host="127.0.0.1", port=int(os.environ["AMI_PORT"]), username="originatord", secret=os.environ["AMI_SECRET"]
    )
    await manager.connect()
    app["manager"] = manager


app = web.Application()
app.router.add_post("/api/conf", conf)
app.on_startup.append(connect)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)
