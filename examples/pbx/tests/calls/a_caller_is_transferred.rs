//! A caller who presses 0 is connected to the operator by REFER, or stays in the call if nobody answers there.

use crate::running::{OPERATOR, Running};
use crate::telephone::Telephone;

#[tokio::test]
async fn a_caller_reaches_the_operator_and_the_call_ends() {
    let mut pbx = Running::start().await;
    let mut telephone = Telephone::call(pbx.kathmandu, "2010", "0 101");
    telephone.press('0');
    let request = telephone.answer_request("REFER", "202 Accepted");
    assert!(request.contains(&format!("Refer-To: <{OPERATOR}>")), "{request}");
    telephone.notify("100 Trying");
    telephone.notify("200 OK");
    telephone.answer_request("BYE", "200 OK");
    pbx.wait_for("call at kathmandu: Transferred");
}

#[tokio::test]
async fn a_caller_whom_no_operator_answers_can_leave_a_message() {
    let mut pbx = Running::start().await;
    let mut telephone = Telephone::call(pbx.kathmandu, "2010", "0 101");
    telephone.press('0');
    telephone.answer_request("REFER", "202 Accepted");
    telephone.notify("486 Busy Here");
    telephone.ear.wait_for_silence();
    telephone.speak(&crate::sound::short_speech());
    telephone.hang_up();
    pbx.wait_for("stored ");
}
