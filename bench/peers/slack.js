// Slack's own SDK: a slash command and a button, acknowledged. Nothing is stored, nothing
// is called. Its own HTTP receiver verifies the signature.
'use strict';
const { App, HTTPReceiver, LogLevel } = require('@slack/bolt');

const receiver = new HTTPReceiver({
  signingSecret: process.env.SIGNING_SECRET,
  endpoints: ['/slack/commands', '/slack/interactions'],
  logLevel: LogLevel.ERROR,
});
// authorize without a call: auth.test would ask Slack once at the start.
const app = new App({
  receiver,
  logLevel: LogLevel.ERROR,
  authorize: async () => ({ botToken: process.env.BOT_TOKEN, botId: 'B0BELAY', botUserId: 'U0BELAY' }),
});
app.command('/elevate', async ({ ack }) => { await ack(); });
app.action('approve', async ({ ack }) => { await ack(); });
app.start({ port: Number(process.env.PORT), host: '127.0.0.1' });
