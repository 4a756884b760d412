// A page that has nothing to show yet: asks until there is something, then loads itself again.

const POLL_MILLISECONDS = 2000;
const until = document.getElementById("waiting").dataset.until;

const there = async () => {
  const answer = await fetch("/federations", { headers: { Accept: "application/json" } });
  return answer.ok && (until === "answers" || (await answer.json()).federations.length > 0);
};

const ask = async () => {
  try {
    if (!document.hidden && (await there())) location.reload();
  } catch {
    // the dashboard itself is away: ask again
  }
  setTimeout(ask, POLL_MILLISECONDS);
};

setTimeout(ask, POLL_MILLISECONDS);
