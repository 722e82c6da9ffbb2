// Comfort only: without this script the page is complete and right, as of when it was served.
(() => {
  const remembered = "ackstream-name";
  const form = document.querySelector("form");
  const input = document.querySelector("input[name=name]");
  let sent = false;

  const again = () => {
    if (sent || (input && document.activeElement === input)) return; // somebody is about to act: out of the way
    location.replace(location.href); // always a GET, also after a POST
  };

  for (const time of document.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    const day = today ? {} : { day: "numeric", month: "short", year: "numeric" };
    const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" };
    time.title = time.dateTime;
    time.textContent = at.toLocaleString("en-GB", { ...day, ...clock });
  }

  if (form && input) {
    try { input.value ||= localStorage.getItem(remembered) ?? ""; } catch { /* storage is off */ }
    form.addEventListener("submit", (event) => {
      sent = true;
      try { localStorage.setItem(remembered, input.value.trim()); } catch { /* storage is off */ }
      if (event.submitter) event.submitter.textContent += " …";
    });
    for (const button of document.querySelectorAll("[data-sure]")) {
      button.addEventListener("click", (event) => { if (!confirm(button.dataset.sure)) event.preventDefault(); });
    }
  }

  // A reload of an answer to POST would ask whether to send the form again.
  history.replaceState(null, "", location.href);

  const span = (seconds) => {
    let left = Math.max(0, Math.floor(seconds));
    const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].map(([unit, size]) => {
      const count = Math.floor(left / size);
      left %= size;
      return [count, unit];
    });
    const first = parts.findIndex(([count]) => count);
    const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2);
    return shown.filter(([count, unit]) => count || unit === "s").map((part) => part.join(" ")).join(" ");
  };

  const clock = document.querySelector("[data-left]");
  if (clock) {
    // What is left comes from the server, whose clock decides; ours only measures how long the page has been here.
    const start = Date.now();
    const bar = clock.querySelector("progress");
    const ticks = clock.querySelector("[data-ticks]");
    const timer = setInterval(() => {
      const left = Number(clock.dataset.left) - (Date.now() - start) / 1000;
      ticks.textContent = span(left);
      bar.value = Math.max(0, left);
      if (left > 0) return;
      clearInterval(timer);
      clock.textContent = "Escalation is due now. As long as ServiceNow has not taken it, you still can.";
      setTimeout(again, 3000);
    }, 250);
  }

  const patient = document.querySelector("[data-look-again]");
  if (patient) setTimeout(again, patient.dataset.lookAgain * 1000);
})();
